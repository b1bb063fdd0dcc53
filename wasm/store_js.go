//go:build readers

package main

import (
	"bufio"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"fedtab/tab"
)

// store keeps own data in the browser (static/own.js). Its functions wait: they must
// not be called by the loop.
type store struct{}

// about describes kept data.
type about struct {
	Task     string `json:"task"`
	Name     string `json:"name"`
	Bytes    int64  `json:"bytes"`
	Examples int    `json:"examples"`
	At       string `json:"at"`
	Schema   string `json:"schema"` // a hash of the schema under which it was read
}

func (store) call(name string, args ...any) (js.Value, error) {
	return within(keepTimeout, js.Global().Get("fedtabOwn").Call(name, args...))
}

// list returns what is kept for a task, the newest first.
func (s store) list(task, schema string) ([]tab.Kept, error) {
	all, err := s.call("list")
	if err != nil {
		return nil, err
	}
	var kept []tab.Kept
	for i := range all.Length() {
		v := all.Index(i)
		if v.Get("task").String() != task {
			continue
		}
		k := tab.Kept{ID: v.Get("id").String(), Name: v.Get("name").String(), Bytes: int64(v.Get("bytes").Float()), Examples: whole(v.Get("examples")), At: v.Get("at").String()}
		if v.Get("schema").String() != schema {
			k.Stale = "the task wants other data now: bring the file again"
		}
		kept = append(kept, k)
	}
	return kept, nil
}

// save keeps what write writes, and returns the name under which it is kept.
func (s store) save(a about, write func(io.Writer) error) (id string, err error) {
	id = strconv.FormatUint(rand.Uint64(), 36)
	file, err := s.call("create", id, map[string]any{"task": a.Task, "name": a.Name, "bytes": a.Bytes, "examples": a.Examples, "at": a.At, "schema": a.Schema})
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(&keptFile{file}, blockBytes)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	if err != nil {
		await(file.Call("abort"))
		return "", err
	}
	_, err = await(file.Call("close"))
	return id, err
}

// open reads what is kept under a name.
func (s store) open(id string) (*fileReader, error) {
	blob, err := s.call("open", id)
	if err != nil {
		return nil, err
	}
	return newFileReader(blob), nil
}

// keptFile writes to what the browser keeps.
type keptFile struct{ file js.Value }

func (f *keptFile) Write(b []byte) (int, error) {
	a := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(a, b)
	if _, err := await(f.file.Call("write", a)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// storageTrouble says in words for a person why the browser keeps nothing.
func storageTrouble(err error) string {
	const stays = " Your data stays usable until you reload or close this tab; then bring it again."
	if strings.Contains(err.Error(), "QuotaExceededError") {
		return "This browser has no room left to keep your data." + stays
	}
	return "This browser keeps no data for this page, as in a private window." + stays
}

// today returns the date and time for a list of what is kept.
func today() string { return time.Now().Format("2006-01-02 15:04") }
