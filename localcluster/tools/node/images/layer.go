package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layer is what one layer holds.
type Layer struct {
	Entries []Entry `json:"entries"`
	// Programs are files on this machine whose shared libraries are taken from Root. With a Root,
	// the programs inside trees get theirs without being named.
	Programs []string `json:"programs"`
	Root     string   `json:"root"`
}

// Entry is one path in an image: a file of this machine, a tree of it with the modes and links it
// has, a text, a link, or (none of them) a folder.
type Entry struct {
	Path   string  `json:"path"`
	Mode   int64   `json:"mode"`
	Source string  `json:"source"`
	Tree   string  `json:"tree"`
	Text   *string `json:"text"`
	Link   string  `json:"link"`
}

func (l Layer) build(architecture string) (v1.Layer, error) {
	given, programs, err := l.expand()
	if err != nil {
		return nil, err
	}
	libraries, err := libraries(l.Root, architecture, programs)
	if err != nil {
		return nil, err
	}
	entries := map[string]Entry{}
	for _, entry := range append(libraries, given...) {
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

// expand answers the entries with every tree replaced by what is in it, and all programs whose
// libraries are wanted. Of two entries for one path the later one counts.
func (l Layer) expand() ([]Entry, []string, error) {
	var entries []Entry
	programs := append([]string{}, l.Programs...)
	for _, entry := range l.Entries {
		if entry.Tree == "" {
			entries = append(entries, entry)
			continue
		}
		inside, err := entry.walk()
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, inside...)
		for _, found := range inside {
			if l.Root != "" && isProgram(found.Source) {
				programs = append(programs, found.Source)
			}
		}
	}
	return entries, programs, nil
}

// walk answers one entry for everything in a tree. Whose the files are and how old is not taken.
func (e Entry) walk() ([]Entry, error) {
	var found []Entry
	err := filepath.WalkDir(e.Tree, func(name string, item fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		about, err := item.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(e.Tree, name)
		if err != nil {
			return err
		}
		inside := Entry{Path: path.Join(e.Path, filepath.ToSlash(relative)), Mode: int64(about.Mode().Perm())}
		switch {
		case item.Type() == fs.ModeSymlink:
			if inside.Link, err = os.Readlink(name); err != nil {
				return err
			}
		case item.Type().IsRegular():
			inside.Source = name
		case !item.IsDir():
			return fmt.Errorf("%s is no file, folder or link", name)
		}
		found = append(found, inside)
		return nil
	})
	return found, err
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
