// Pack builds everything a browser loads into static/dist, from where package
// static embeds it: the page's and the worker's WebAssembly, the scripts, the
// style sheets and the page itself. It is the one place that knows how the
// WebAssembly is built.
//
// Every file but index.html gets a name with a hash of its content (and so may
// be cached for ever), and is stored three times: as it is, as gzip and as
// Brotli. Sources refer to each other as asset:NAME; what is packed has the
// hashed name in its place. manifest.json lists what there is.
//
// Compression at Brotli's best level takes most of the time. -fast compresses
// less (the programs grow by about a sixth) in a tenth of the time: `make run`
// uses it, `make build` does not.
//
// If nothing has changed since the last run, pack does nothing. What is packed
// at the best level also serves where -fast is asked for.
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
	flag.BoolVar(&c.fast, "fast", false, "compress less well and much faster, for development")
	flag.BoolVar(&c.force, "force", false, "build and compress everything, even what has not changed")
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
	// force leaves nothing as it is from the last run.
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
