package main

import (
	"archive/tar"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func text(s string) *string { return &s }

func small(t *testing.T) Order {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Order{
		Architecture: "amd64",
		Layers: map[string]Layer{
			"shared":  {Entries: []Entry{{Path: "/etc/passwd", Mode: 0o644, Text: text("root:x:0:0::/:\n")}, {Path: "/tmp", Mode: 0o1777}}},
			"program": {Entries: []Entry{{Path: "/usr/bin/program", Mode: 0o755, Source: program}, {Path: "/usr/bin/link", Link: "program"}}},
		},
		Images: []Image{
			{
				Tag: "pitstop.local/test/one:1", Layers: []string{"shared", "program"}, User: "65532:65532", Entrypoint: []string{"/usr/bin/program"},
				Env: map[string]string{"B": "2", "A": "1"}, WorkingDir: "/tmp", Ports: []string{"80/tcp"},
			},
			{Tag: "pitstop.local/test/two:1", Layers: []string{"shared"}, Entrypoint: []string{"/x"}},
		},
	}
}

func assemble(t *testing.T, order Order) string {
	t.Helper()
	in, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "images.tar")
	if err := run(strings.NewReader(string(in)), out); err != nil {
		t.Fatal(err)
	}
	return out
}

func load(t *testing.T, archive, tag string) v1.Image {
	t.Helper()
	parsed, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(archive, &parsed)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// contents answers the header of every path in an image.
func contents(t *testing.T, image v1.Image) map[string]*tar.Header {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]*tar.Header{}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for archive := tar.NewReader(content); ; {
			header, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			headers[header.Name] = header
		}
	}
	return headers
}

func TestAnImageHoldsItsFilesAndItsConfiguration(t *testing.T) {
	image := load(t, assemble(t, small(t)), "pitstop.local/test/one:1")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "amd64" || config.OS != "linux" || config.Config.User != "65532:65532" ||
		strings.Join(config.Config.Env, " ") != "A=1 B=2" || config.Config.WorkingDir != "/tmp" {
		t.Errorf("%+v", config)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatal(layers, err)
	}
	headers := contents(t, image)
	for path, mode := range map[string]int64{
		"etc/": 0o755, "etc/passwd": 0o644, "tmp/": 0o1777, "usr/": 0o755, "usr/bin/": 0o755, "usr/bin/program": 0o755, "usr/bin/link": 0o777,
	} {
		header := headers[path]
		if header == nil || header.Mode != mode || header.Uid != 0 || header.ModTime.Unix() != 0 {
			t.Errorf("%s: %+v", path, header)
		}
	}
	if len(headers) != 7 || headers["usr/bin/link"].Linkname != "program" {
		t.Errorf("%v", headers)
	}
}

// tree is a folder with a file of each kind that a tree may hold.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, err := range []error{
		os.Chmod(root, 0o755),
		os.Mkdir(filepath.Join(root, "bin"), 0o755),
		os.Mkdir(filepath.Join(root, "empty"), 0o700),
		os.WriteFile(filepath.Join(root, "bin/tool"), []byte("tool"), 0o600),
		os.WriteFile(filepath.Join(root, "notes"), []byte("notes"), 0o600),
		os.Symlink("bin/tool", filepath.Join(root, "tool")),
		os.Symlink("/elsewhere/entirely", filepath.Join(root, "away")),
		os.Chmod(filepath.Join(root, "bin"), 0o755),
		os.Chmod(filepath.Join(root, "notes"), 0o640),
		os.Chmod(filepath.Join(root, "bin/tool"), 0o755|os.ModeSetuid),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestATreeIsCopiedWholeWithItsModesAndLinks(t *testing.T) {
	order := small(t)
	order.Layers["program"] = Layer{Entries: []Entry{
		{Path: "/opt/part", Tree: tree(t)}, {Path: "/opt/part/notes", Mode: 0o600, Text: text("other notes")},
	}}
	headers := contents(t, load(t, assemble(t, order), "pitstop.local/test/one:1"))
	for path, want := range map[string]struct {
		mode, size int64
		link       string
	}{
		"opt/part/":         {mode: 0o755},
		"opt/part/bin/":     {mode: 0o755},
		"opt/part/bin/tool": {mode: 0o755, size: 4}, // what may become another user does not
		"opt/part/empty/":   {mode: 0o700},
		"opt/part/notes":    {mode: 0o600, size: 11}, // the later entry counts
		"opt/part/tool":     {mode: 0o777, link: "bin/tool"},
		"opt/part/away":     {mode: 0o777, link: "/elsewhere/entirely"},
	} {
		got := headers[path]
		if got == nil || got.Mode != want.mode || got.Size != want.size || got.Linkname != want.link ||
			got.Uid != 0 || got.ModTime.Unix() != 0 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestATreeTheSameElsewhereMakesTheSameImage(t *testing.T) {
	digest := func(root string) string {
		order := small(t)
		order.Layers["program"] = Layer{Entries: []Entry{{Path: "/opt", Tree: root}}}
		value, err := load(t, assemble(t, order), "pitstop.local/test/one:1").ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		return value.String()
	}
	one, other := tree(t), tree(t)
	if digest(one) != digest(other) {
		t.Error("two folders with the same files made different images")
	}
	if err := os.Chmod(filepath.Join(other, "notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if digest(one) == digest(other) {
		t.Error("a changed mode did not change the image")
	}
}

func TestAnImageCanLieOnOneInARegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	order := small(t)
	order.Images[1].Base = strings.TrimPrefix(server.URL, "http://") + "/base:1"
	base, err := name.ParseReference(order.Images[1].Base)
	if err != nil {
		t.Fatal(err)
	}
	below, err := random.Image(64, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(base, below); err != nil {
		t.Fatal(err)
	}
	order.Images = append(order.Images, Image{Tag: "pitstop.local/test/bare:1", Base: order.Images[1].Base, Entrypoint: []string{"/y"}})
	bare, err := load(t, assemble(t, order), "pitstop.local/test/bare:1").ConfigFile()
	if err != nil || len(bare.RootFS.DiffIDs) != 2 || bare.Config.Entrypoint[0] != "/y" {
		t.Errorf("%+v %v", bare, err)
	}
	image := load(t, assemble(t, order), "pitstop.local/test/two:1")
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != 3 || len(config.RootFS.DiffIDs) != 3 || config.Config.Entrypoint[0] != "/x" {
		t.Errorf("%d layers, %+v", len(layers), config)
	}
}

func TestTheSameFilesMakeTheSameImages(t *testing.T) {
	digest := func(order Order) string {
		value, err := load(t, assemble(t, order), "pitstop.local/test/one:1").ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		return value.String()
	}
	first := digest(small(t))
	if second := digest(small(t)); second != first {
		t.Errorf("%s and %s", first, second)
	}
	changed := small(t)
	changed.Layers["shared"].Entries[0].Text = text("other")
	if third := digest(changed); third == first {
		t.Error("a changed file did not change the image")
	}
}

func TestASharedLayerIsWrittenOnce(t *testing.T) {
	file, err := os.Open(assemble(t, small(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	layers := 0
	for archive := tar.NewReader(file); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(header.Name, ".tar.gz") {
			layers++
		}
	}
	if layers != 2 {
		t.Errorf("%d layers", layers)
	}
}

// pipe is a folder with something in it that no image can hold.
func pipe(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestMistakesAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Order){
		"no layer nowhere":         func(o *Order) { o.Images[0].Layers = []string{"nowhere"} },
		"/nonexistent":             func(o *Order) { o.Layers["program"] = Layer{Entries: []Entry{{Path: "/a", Source: "/nonexistent"}}} },
		"is not a file":            func(o *Order) { o.Layers["program"] = Layer{Entries: []Entry{{Path: "/a", Source: "/"}}} },
		"no file, folder or link":  func(o *Order) { o.Layers["program"] = Layer{Entries: []Entry{{Path: "/a", Tree: pipe(t)}}} },
		"lstat /nonexistent":       func(o *Order) { o.Layers["program"] = Layer{Entries: []Entry{{Path: "/a", Tree: "/nonexistent"}}} },
		"absolute and clean":       func(o *Order) { o.Layers["program"] = Layer{Entries: []Entry{{Path: "/a/../b"}}} },
		"must specify a tag":       func(o *Order) { o.Images[0].Tag = "pitstop.local/test/one:" },
		"layer program: /dev/null": func(o *Order) { o.Layers["program"] = Layer{Programs: []string{"/dev/null"}, Root: "/"} },
		"not under /dev/null":      nil,
	} {
		order := small(t)
		if change == nil {
			_, err := find("/dev/null", "amd64", "libc.so.6")
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
			continue
		}
		change(&order)
		in, err := json.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(strings.NewReader(string(in)), filepath.Join(t.TempDir(), "x.tar")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := run(strings.NewReader(`{"unknown": 1}`), "x"); err == nil {
		t.Error("an unknown key was taken")
	}
}

// The C library of the machine itself, as long as it is laid out as Debian does.
func TestLibrariesAreFoundThroughLinksThatStayInside(t *testing.T) {
	const program = "/bin/ls"
	if _, err := os.Stat("/lib/x86_64-linux-gnu/libc.so.6"); err != nil || runtime.GOARCH != "amd64" {
		t.Skip("needs a Debian or Ubuntu on x86-64 to look at")
	}
	wanted, err := needs(program)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(wanted, " "), "libc.so.6") || !strings.Contains(strings.Join(wanted, " "), "/ld-linux-x86-64.so.2") {
		t.Fatalf("%v", wanted)
	}
	entries, err := libraries("/", "amd64", []string{program})
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, entry := range entries {
		paths[entry.Path] = true
	}
	if !paths["/lib/x86_64-linux-gnu/libc.so.6"] || !paths["/lib64/ld-linux-x86-64.so.2"] {
		t.Errorf("%v", paths)
	}
	// A program inside a tree gets them without being named.
	inside := t.TempDir()
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inside, "ls"), content, 0o755); err != nil {
		t.Fatal(err)
	}
	order := small(t)
	for given, wanted := range map[string]bool{"/": true, "": false} {
		order.Layers["program"] = Layer{Entries: []Entry{{Path: "/opt", Tree: inside}}, Root: given}
		headers := contents(t, load(t, assemble(t, order), "pitstop.local/test/one:1"))
		if found := headers["lib/x86_64-linux-gnu/libc.so.6"] != nil; found != wanted || headers["opt/ls"] == nil {
			t.Errorf("root %q: libraries %v", given, found)
		}
	}
	root := t.TempDir()
	folder := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	for _, err := range []error{
		os.MkdirAll(folder, 0o755),
		os.Symlink("usr/lib", filepath.Join(root, "lib")),
		os.WriteFile(filepath.Join(folder, "libx.so.1.2"), nil, 0o600),
		os.Symlink("/usr/lib/x86_64-linux-gnu/libx.so.1.2", filepath.Join(folder, "libx.so.1")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	entry, err := find(root, "amd64", "libx.so.1")
	if err != nil || entry.Path != "/lib/x86_64-linux-gnu/libx.so.1" || entry.Source != filepath.Join(folder, "libx.so.1.2") {
		t.Errorf("%+v %v", entry, err)
	}
}
