// Charts renders one Helm chart from a folder: its objects, CRDs first, as YAML on standard output.
//
//	charts CHART RELEASE NAMESPACE KUBERNETES-VERSION < values.json
//
// The rehearsal puts these objects on the cluster by server-side apply, which can be cut off at any moment and
// said again; a Helm release that was cut off has to be repaired first.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: charts CHART RELEASE NAMESPACE KUBERNETES-VERSION < values.json")
		os.Exit(2)
	}
	release := common.ReleaseOptions{Name: os.Args[2], Namespace: os.Args[3], Revision: 1, IsInstall: true}
	if err := render(os.Stdin, os.Stdout, os.Args[1], release, os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "charts:", err)
		os.Exit(1)
	}
}

func render(in io.Reader, out io.Writer, folder string, release common.ReleaseOptions, kubernetes string) error {
	var values map[string]any
	if err := json.NewDecoder(in).Decode(&values); err != nil {
		return fmt.Errorf("reading the values: %w", err)
	}
	chart, err := loader.Load(folder)
	if err != nil {
		return err
	}
	version, err := common.ParseKubeVersion(kubernetes)
	if err != nil {
		return fmt.Errorf("Kubernetes version %s: %w", kubernetes, err)
	}
	capabilities := *common.DefaultCapabilities
	capabilities.KubeVersion = *version
	filled, err := util.ToRenderValues(chart, values, release, &capabilities)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, filled)
	if err != nil {
		return err
	}
	for _, crd := range chart.CRDObjects() {
		fmt.Fprintf(out, "---\n%s\n", crd.File.Data)
	}
	for _, name := range templates(files) {
		fmt.Fprintf(out, "---\n%s\n", files[name])
	}
	return nil
}

// templates are the rendered files that hold objects, in an order that does not change.
func templates(files map[string]string) []string {
	var names []string
	for name, text := range files {
		partial := strings.HasPrefix(path.Base(name), "_") || strings.HasSuffix(name, "NOTES.txt")
		if !partial && strings.TrimSpace(text) != "" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}
