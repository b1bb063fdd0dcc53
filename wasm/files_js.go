//go:build readers

package main

import (
	"io"
	"strings"
	"syscall/js"
)

// blockBytes is how much of a file is read at a time.
const blockBytes = 1 << 20

// fileReader reads a File or Blob of the browser block by block: the file is never in
// memory as a whole. The next block is on its way while one is read. It must not be
// used by the loop.
type fileReader struct {
	blob  js.Value
	size  int64
	asked int64    // bytes that are read, or on their way
	next  js.Value // promise of a block; undefined: none is on its way
	block []byte   // what is left of the newest
	space []byte
}

func newFileReader(blob js.Value) *fileReader {
	return &fileReader{blob: blob, size: int64(blob.Get("size").Float())}
}

// Read implements io.Reader. An error is one of the browser: see fileTrouble.
func (f *fileReader) Read(p []byte) (int, error) {
	if len(f.block) == 0 {
		if !f.next.Truthy() {
			f.ask()
		}
		if !f.next.Truthy() {
			return 0, io.EOF
		}
		buffer, err := await(f.next)
		f.next = js.Undefined()
		if err != nil {
			return 0, err
		}
		f.ask()
		a := js.Global().Get("Uint8Array").New(buffer)
		if f.space == nil {
			f.space = make([]byte, min(blockBytes, f.size))
		}
		f.block = f.space[:a.Length()]
		js.CopyBytesToGo(f.block, a)
	}
	n := copy(p, f.block)
	f.block = f.block[n:]
	return n, nil
}

// ask has the browser read the next block.
func (f *fileReader) ask() {
	if f.asked >= f.size {
		return
	}
	to := min(f.asked+blockBytes, f.size)
	f.next = f.blob.Call("slice", f.asked, to).Call("arrayBuffer")
	f.asked = to
}

// fileTrouble says in words for a person why a file could not be read.
func fileTrouble(name string, err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "NotReadableError"), strings.Contains(text, "NotFoundError"):
		return name + " was changed or removed while it was read: choose it again."
	case strings.Contains(text, "NotAllowedError"), strings.Contains(text, "SecurityError"):
		return "This browser may not read " + name + ": check who may read the file, and choose it again."
	}
	return ""
}
