// Images assembles container images from files, without a daemon and without a base image, and
// writes them into one archive that `ctr images import` and `kind load image-archive` take.
//
// What to assemble comes as JSON on standard input; see the types below. The same files give the
// same image digests on every machine: nothing in a layer depends on time, user or order.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Order is everything one archive holds. Layers are named so that images can share them.
type Order struct {
	Architecture string           `json:"architecture"`
	Layers       map[string]Layer `json:"layers"`
	Images       []Image          `json:"images"`
}

// Image is one image: its name, its layers from the lowest up, and how it runs. Base names an image
// in a registry to lie on; most lie on nothing.
type Image struct {
	Tag        string            `json:"tag"`
	Base       string            `json:"base"`
	Layers     []string          `json:"layers"`
	User       string            `json:"user"`
	Entrypoint []string          `json:"entrypoint"`
	Env        map[string]string `json:"env"`
	WorkingDir string            `json:"workingDir"`
	Ports      []string          `json:"ports"`
}

func main() {
	out := flag.String("o", "", "the archive to write")
	flag.Parse()
	if err := run(os.Stdin, *out); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out string) error {
	var order Order
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&order); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	built := map[string]v1.Layer{}
	for name, layer := range order.Layers {
		made, err := layer.build(order.Architecture)
		if err != nil {
			return fmt.Errorf("layer %s: %w", name, err)
		}
		built[name] = made
	}
	tagged := map[name.Reference]v1.Image{}
	for _, image := range order.Images {
		tag, err := name.NewTag(image.Tag, name.StrictValidation)
		if err != nil {
			return err
		}
		made, err := image.assemble(order.Architecture, built)
		if err != nil {
			return fmt.Errorf("image %s: %w", image.Tag, err)
		}
		tagged[tag] = made
	}
	return write(out, tagged)
}

func (i Image) assemble(architecture string, built map[string]v1.Layer) (v1.Image, error) {
	config := v1.Config{User: i.User, Entrypoint: i.Entrypoint, WorkingDir: i.WorkingDir}
	for key, value := range i.Env {
		config.Env = append(config.Env, key+"="+value)
	}
	sort.Strings(config.Env)
	if len(i.Ports) > 0 {
		config.ExposedPorts = map[string]struct{}{}
	}
	for _, port := range i.Ports {
		config.ExposedPorts[port] = struct{}{}
	}
	image, err := i.start(architecture)
	if err != nil {
		return nil, err
	}
	described, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	described = described.DeepCopy()
	described.Architecture, described.OS = architecture, "linux"
	described.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	described.Config = config
	if image, err = mutate.ConfigFile(image, described); err != nil {
		return nil, err
	}
	for _, name := range i.Layers {
		layer, known := built[name]
		if !known {
			return nil, fmt.Errorf("no layer %s", name)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// start is what the layers are put on.
func (i Image) start(architecture string) (v1.Image, error) {
	if i.Base == "" {
		return empty.Image, nil
	}
	base, err := name.ParseReference(i.Base)
	if err != nil {
		return nil, err
	}
	return remote.Image(base, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
}

// write is not atomic: whoever calls gives a path that does not matter until this succeeded.
func write(out string, tagged map[name.Reference]v1.Image) error {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := tarball.MultiRefWrite(tagged, file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
