// Command pulumi-resource-kubernetes serves the upstream provider.
//
// Upstream's own command embeds two files that its repository generates and its module does not
// carry; localcluster/tools writes them beside this file from the module's sources.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema-embed.json
var schema []byte

//go:embed terraform-mapping-embed.json
var mapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, mapping)
}
