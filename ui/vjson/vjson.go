// Package vjson takes the place of github.com/vugu/vjson, a copy of encoding/json that
// Vugu's renderer needs for the events of the DOM and for properties. The page uses
// neither, and its program is 290 kB smaller without them.
package vjson

import "errors"

var errUnused = errors.New("vjson: events and properties are not used by this page")

// RawMessage is encoded JSON.
type RawMessage []byte

// Marshal returns an error.
func Marshal(any) ([]byte, error) { return nil, errUnused }

// Unmarshal returns an error.
func Unmarshal([]byte, any) error { return errUnused }
