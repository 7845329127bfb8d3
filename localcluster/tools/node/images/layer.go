package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layer is what one layer holds.
type Layer struct {
	Entries []Entry `json:"entries"`
	// Programs are files on this machine whose shared libraries are taken from Root.
	Programs []string `json:"programs"`
	Root     string   `json:"root"`
}

// Entry is one path in an image: a file of this machine, a text, a link, or (none of them) a folder.
type Entry struct {
	Path   string  `json:"path"`
	Mode   int64   `json:"mode"`
	Source string  `json:"source"`
	Text   *string `json:"text"`
	Link   string  `json:"link"`
}

func (l Layer) build(architecture string) (v1.Layer, error) {
	entries := map[string]Entry{}
	libraries, err := libraries(l.Root, architecture, l.Programs)
	if err != nil {
		return nil, err
	}
	for _, entry := range append(libraries, l.Entries...) {
		if entry.Path != path.Clean(entry.Path) || !path.IsAbs(entry.Path) {
			return nil, fmt.Errorf("path %q must be absolute and clean", entry.Path)
		}
		entries[entry.Path] = entry
	}
	for _, entry := range entries {
		for parent := path.Dir(entry.Path); parent != "/"; parent = path.Dir(parent) {
			if _, given := entries[parent]; !given {
				entries[parent] = Entry{Path: parent, Mode: 0o755}
			}
		}
	}
	ordered := make([]Entry, 0, len(entries))
	for _, entry := range entries {
		ordered = append(ordered, entry)
	}
	sort.Slice(ordered, func(a, b int) bool { return ordered[a].Path < ordered[b].Path })
	return measure(ordered)
}

// files is a layer that is made anew from its files each time it is read. It stays uncompressed:
// an archive is read once, on the machine that wrote it, and compressing takes longer than reading.
type files struct {
	entries []Entry
	digest  v1.Hash
	size    int64
}

func measure(entries []Entry) (*files, error) {
	layer := &files{entries: entries}
	digest := sha256.New()
	content, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if layer.size, err = io.Copy(digest, content); err != nil {
		return nil, err
	}
	layer.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(digest.Sum(nil))}
	return layer, nil
}

func (f *files) Digest() (v1.Hash, error)            { return f.digest, nil }
func (f *files) DiffID() (v1.Hash, error)            { return f.digest, nil }
func (f *files) Size() (int64, error)                { return f.size, nil }
func (f *files) MediaType() (types.MediaType, error) { return types.DockerUncompressedLayer, nil }
func (f *files) Compressed() (io.ReadCloser, error)  { return f.Uncompressed() }
func (f *files) Uncompressed() (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(f.write(writer)) }()
	return reader, nil
}

func (f *files) write(out io.Writer) error {
	archive := tar.NewWriter(out)
	for _, entry := range f.entries {
		if err := entry.write(archive); err != nil {
			return fmt.Errorf("%s: %w", entry.Path, err)
		}
	}
	return archive.Close()
}

func (e Entry) write(archive *tar.Writer) error {
	header := &tar.Header{
		Name: strings.TrimPrefix(e.Path, "/"), Mode: e.Mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	switch {
	case e.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.Link, 0o777
		return archive.WriteHeader(header)
	case e.Text != nil:
		header.Typeflag, header.Size = tar.TypeReg, int64(len(*e.Text))
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := io.WriteString(archive, *e.Text)
		return err
	case e.Source != "":
		return e.copy(archive, header)
	}
	header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	return archive.WriteHeader(header)
}

func (e Entry) copy(archive *tar.Writer, header *tar.Header) error {
	file, err := os.Open(e.Source)
	if err != nil {
		return err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return err
	}
	if !about.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", e.Source)
	}
	header.Typeflag, header.Size = tar.TypeReg, about.Size()
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
