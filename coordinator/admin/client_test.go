package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A handler in this process answers as one behind a connection does: as it writes, and with an
// error where it breaks off.
func TestLocal(t *testing.T) {
	read := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc(Root+"/order", func(w http.ResponseWriter, r *http.Request) {
		if _, err := fmt.Fprint(w, strings.Repeat(" ", 1<<20), `{"a": 1}`); err != nil {
			panic(err) // as huma does
		}
	})
	mux.HandleFunc(Root+"/none", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc(Root+"/refused", func(w http.ResponseWriter, r *http.Request) { problem(w, http.StatusConflict, "not now") })
	mux.HandleFunc(Root+"/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Fedtab-Run", "r1")
		io.WriteString(w, "first")
		<-read
		panic(http.ErrAbortHandler)
	})
	c := Local(mux)
	if err := c.Do(t.Context(), "POST", "/order", nil, nil); err != nil {
		t.Errorf("an order whose answer is not wanted: %v", err)
	}
	var v struct{ A int }
	if err := c.Do(t.Context(), "POST", "/order", nil, &v); err != nil || v.A != 1 {
		t.Errorf("an answer: %+v, %v", v, err)
	}
	if err := c.Do(t.Context(), "POST", "/none", nil, nil); err != nil {
		t.Errorf("an answer without a body: %v", err)
	}
	if err := c.Do(t.Context(), "POST", "/refused", nil, nil); err == nil || err.Error() != "not now" {
		t.Errorf("a refusal: %v", err)
	}
	header, body, err := c.Open(t.Context(), "/file")
	if err != nil || header.Get("Fedtab-Run") != "r1" {
		t.Fatalf("a file: %v, %v", header, err)
	}
	defer body.Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(body, b); err != nil || string(b) != "first" {
		t.Errorf("what is written first: %q, %v", b, err)
	}
	close(read)
	if _, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the end of a file that is broken off: %v, want ErrUnexpectedEOF", err)
	}
}
