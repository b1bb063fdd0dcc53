// Package static holds what browsers load (the page, its scripts and its
// WebAssembly, built by static/pack into dist) and serves it over HTTP.
//
// Every file is there as it is, as gzip and as Brotli, so that serving costs no
// compression; names that carry a hash of their content may be cached for ever.
package static

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"

	"fedtab/static/manifest"
)

// dist is empty, but for .keep, until static/pack has run.
//
//go:embed all:dist
var dist embed.FS

// Packed returns what is packed into this build. It is empty, without error, if
// static/pack has not run before it.
func Packed() (manifest.Manifest, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return manifest.Manifest{}, err
	}
	return readManifest(files)
}

func readManifest(files fs.FS) (manifest.Manifest, error) {
	var m manifest.Manifest
	b, err := fs.ReadFile(files, manifest.Name)
	if err != nil {
		return m, nil
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return manifest.Manifest{}, fmt.Errorf("static: dist/"+manifest.Name+": %w", err)
	}
	return m, nil
}
