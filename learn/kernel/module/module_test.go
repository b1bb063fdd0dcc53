package module

import (
	"os"
	"testing"
)

func TestWrite(t *testing.T) {
	os.WriteFile("/tmp/kt/kernel.wasm", Bytes(true), 0o644)
	os.WriteFile("/tmp/kt/kernel128.wasm", Bytes(false), 0o644)
	t.Log(len(Bytes(true)), len(Bytes(false)))
}
