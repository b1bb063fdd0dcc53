// Package manifest is the list of what static/pack has packed, by which package
// static finds it.
package manifest

// Name is the name of the file that a manifest is in, as JSON.
const Name = "manifest.json"

// Manifest lists what is packed.
type Manifest struct {
	Inputs string `json:"inputs"` // a hash of everything that was packed from
	Files  []File `json:"files"`  // by name
}

// File is one packed file.
type File struct {
	Name   string `json:"name"`           // as it is served: "fedtab.0a1b2c3d.wasm"
	Source string `json:"source"`         // as it was called: "fedtab.wasm"
	Hash   string `json:"hash"`           // of its content, hexadecimal
	Size   int    `json:"size"`           // bytes as it is
	Gzip   int    `json:"gzip"`           // bytes of Name.gz
	Brotli int    `json:"brotli"`         // bytes of Name.br
	Fast   bool   `json:"fast,omitempty"` // compressed less well than possible
}
