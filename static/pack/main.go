// Pack builds the files that a browser loads into static/dist, which package static
// embeds: the tab's WebAssembly, the scripts, the style sheet and the frame of every
// page. All build flags of the WebAssembly are here. Programs are stripped of what only
// tracebacks read (strip.go).
//
// Every file but index.html, sw.js and app.webmanifest gets a name with a hash of its
// content, so that it can be cached as immutable. It is stored uncompressed, as gzip and
// as Brotli. Sources refer to each other as asset:NAME; the packed files hold the hashed
// names. manifest.json lists all files.
//
// Brotli's best level takes most of the time. With -fast it compresses less: the
// programs grow by a sixth, in a tenth of the time. `make run` uses -fast, `make
// build` does not. If no input has changed since the last run, pack does nothing;
// files of the best level also serve where -fast is asked for.
//
//	go run ./static/pack [-out static/dist] [-fast] [-force]
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() {
	var c config
	flag.StringVar(&c.out, "out", "", "folder for the packed files (default static/dist in the module)")
	flag.BoolVar(&c.fast, "fast", false, "compress faster and less, for development")
	flag.BoolVar(&c.force, "force", false, "build and compress everything, even without changes")
	flag.Parse()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// config is how and where to pack.
type config struct {
	root string // the module's folder
	out  string // the folder for the packed files
	fast bool
	// force ignores the files of the last run.
	force bool
	// log takes a line for each step, nothing if it is nil.
	log   io.Writer
	start time.Time
}

// step tells what pack does now; times count from its beginning.
func (c config) step(format string, arguments ...any) {
	if c.log != nil {
		fmt.Fprintf(c.log, "%5.1f s  %s\n", time.Since(c.start).Seconds(), fmt.Sprintf(format, arguments...))
	}
}

func run(c config) error {
	c.start, c.log = time.Now(), os.Stdout
	var err error
	if c.root, err = moduleRoot(); err != nil {
		return err
	}
	if c.out == "" {
		c.out = filepath.Join(c.root, "static", "dist")
	}
	inputs, err := c.fingerprint()
	if err != nil {
		return err
	}
	if !c.force && c.packed(inputs) {
		return nil
	}
	c.step("packing the page into %s: it has changed, or is not there yet", c.out)
	files, err := c.pack(inputs)
	if err != nil {
		return err
	}
	c.step("packed %d files", len(files))
	for _, f := range files {
		if filepath.Ext(f.Source) == ".wasm" {
			fmt.Printf("  %-20s %8d bytes, gzip %8d, brotli %8d\n", f.Source, f.Size, f.Gzip, f.Brotli)
		}
	}
	return nil
}
