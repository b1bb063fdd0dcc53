package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fedtab/static/manifest"
)

// fingerprint hashes all inputs of the packed files: the toolchain, the module's own
// files, the versions of other modules, the scripts and style sheets, this packer and
// its options.
func (c config) fingerprint() (string, error) {
	h := sha256.New()
	version, err := c.goCommand(nil, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\n", version)

	// A file of another module is identified by the version in its folder's name; of
	// this module's packages every file is hashed.
	const format = `{{if not .Standard}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}
{{end}}{{range .SFiles}}{{$dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}
{{end}}{{else}}module {{.Dir}}
{{end}}{{end}}`
	lists := [][2][]string{{native, {"./static/pack"}}}
	for _, p := range programs {
		lists = append(lists, [2][]string{environment(), {"-tags=" + p.tags, tabPackage}})
	}
	inputs := map[string]bool{}
	for _, l := range lists {
		out, err := c.goCommand(l[0], append([]string{"list", "-deps", "-f", format}, l[1]...)...)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(out)) {
			inputs[strings.TrimSpace(line)] = true
		}
	}
	sources, err := c.sources()
	if err != nil {
		return "", err
	}
	for _, path := range sources {
		err := filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
			inputs[file] = err == nil && !e.IsDir()
			return err
		})
		if err != nil {
			return "", err
		}
	}
	maps.DeleteFunc(inputs, func(_ string, file bool) bool { return !file })
	delete(inputs, "")
	for _, path := range slices.Sorted(maps.Keys(inputs)) {
		fmt.Fprintln(h, path)
		if strings.HasPrefix(path, "module ") {
			continue
		}
		if err := addFile(h, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func addFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// packed reports whether the folder is complete and of this fingerprint.
func (c config) packed(inputs string) bool {
	m, err := c.readManifest()
	return err == nil && m.Inputs == inputs && !slices.ContainsFunc(m.Files, func(f manifest.File) bool { return !c.complete(f) })
}

func (c config) readManifest() (manifest.Manifest, error) {
	var m manifest.Manifest
	b, err := os.ReadFile(filepath.Join(c.out, manifest.Name))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

// complete reports whether the folder holds f in every coding, with the size in the
// manifest.
func (c config) complete(f manifest.File) bool {
	if f.Fast && !c.fast {
		return false
	}
	for i, size := range []int{f.Size, f.Gzip, f.Brotli} {
		info, err := os.Stat(filepath.Join(c.out, f.Name+suffixes[i]))
		if err != nil || info.Size() != int64(size) {
			return false
		}
	}
	return true
}
