package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is replaced whole, and put back as it was.
func TestReplaceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "file")
	is := func(want string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) || string(b) != want {
			t.Errorf("the file has %q (%v), want %q", b, err, want)
		}
		if files, _ := os.ReadDir(filepath.Dir(path)); len(files) > 1 {
			t.Errorf("%d files are left, want no other", len(files))
		}
	}
	steps := []func() error{}
	for _, text := range []string{"first", "second"} {
		undo, err := replaceFile(path, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, undo)
		is(text)
	}
	for i, want := range []string{"", "first"} {
		defer func() {
			if err := steps[i](); err != nil {
				t.Error(err)
			}
			is(want)
		}()
	}
	if err := removeDurable(path + "-none"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	if err := os.Mkdir(path+"-folder", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := replaceFile(path+"-folder", nil); err == nil {
		t.Error("a folder was replaced")
	}
	if err := os.Remove(path + "-folder"); err != nil {
		t.Fatal(err)
	}
}
