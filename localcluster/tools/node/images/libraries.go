package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"

	securejoin "github.com/cyphar/filepath-securejoin"
)

var multiarch = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// libraries answers the loader and every shared library that dynamically linked programs need, each
// at a path where the loader looks for it, with its content taken from the file tree at root.
// Programs that are linked statically need nothing.
func libraries(root, architecture string, programs []string) ([]Entry, error) {
	var entries []Entry
	known := map[string]bool{}
	pending := append([]string{}, programs...)
	for len(pending) > 0 {
		program := pending[0]
		pending = pending[1:]
		wanted, err := needs(program)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program, err)
		}
		for _, want := range wanted {
			if known[want] {
				continue
			}
			known[want] = true
			entry, err := find(root, architecture, want)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", program, err)
			}
			entries = append(entries, entry)
			pending = append(pending, entry.Source)
		}
	}
	return entries, nil
}

// isProgram tells whether a file is a program or a shared library, by how it begins.
func isProgram(name string) bool {
	file, err := os.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	start := make([]byte, len(elf.ELFMAG))
	_, err = io.ReadFull(file, start)
	return err == nil && string(start) == elf.ELFMAG
}

// needs answers the absolute path of a program's loader and the names of its libraries.
func needs(program string) ([]string, error) {
	file, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	wanted, err := file.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	for _, part := range file.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		loader := make([]byte, part.Filesz)
		if _, err := part.ReadAt(loader, 0); err != nil {
			return nil, err
		}
		wanted = append(wanted, string(loader[:len(loader)-1])) // without the closing NUL
	}
	return wanted, nil
}

// find looks where Debian's loader looks. Links are followed inside the root only, and the image
// gets the file itself under the name that was asked for.
func find(root, architecture, want string) (Entry, error) {
	folders := []string{"/lib/" + multiarch[architecture], "/usr/lib/" + multiarch[architecture], "/lib", "/usr/lib"}
	candidates := []string{want}
	if !path.IsAbs(want) {
		candidates = nil
		for _, folder := range folders {
			candidates = append(candidates, path.Join(folder, want))
		}
	} else {
		// On a merged /usr the link /lib64 may be missing from a tree that was only unpacked.
		candidates = append(candidates, path.Join("/usr", want))
	}
	for _, candidate := range candidates {
		source, err := securejoin.SecureJoin(root, candidate)
		if err != nil {
			return Entry{}, err
		}
		if about, err := os.Stat(source); err == nil && about.Mode().IsRegular() {
			return Entry{Path: candidates[0], Mode: 0o755, Source: source}, nil
		}
	}
	return Entry{}, fmt.Errorf("needs %s, which is not under %s", want, root)
}
