// Package static embeds the files that browsers load (the page, its scripts and its
// WebAssembly, built by static/pack into dist) and serves them over HTTP.
//
// Every file is stored uncompressed, as gzip and as Brotli, so that serving needs no
// compression. Files with a hash in their name are cached as immutable.
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

// BaseCSS is the style sheet that defines the page's colours.
//
//go:embed css/base.css
var BaseCSS string

// Packed returns the manifest of this build's files. It is empty, without error, if
// static/pack has not run before the build.
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
