package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"fedtab/learn/kernel/module"

	"github.com/andybalholm/brotli"

	"fedtab/static/manifest"
)

// suffixes are the file name suffixes of the codings: identity, gzip and Brotli.
var suffixes = []string{"", ".gz", ".br"}

// pack builds, names, compresses and writes everything.
func (c config) pack(inputs string) ([]manifest.File, error) {
	old, err := c.begin()
	if err != nil {
		return nil, err
	}
	sources, err := c.sources()
	if err != nil {
		return nil, err
	}
	n := &namer{content: map[string][]byte{}, names: map[string]string{}}
	for name, path := range sources {
		if n.content[name], err = readSource(name, path); err != nil {
			return nil, err
		}
	}
	for i, relaxed := range []bool{true, false} {
		n.content[kernels[i]] = module.Bytes(relaxed)
		sources[kernels[i]] = "" // it is made here
	}
	tmp, err := os.MkdirTemp("", "pack")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	// Programs are compressed while others are being built, on as many threads as
	// there are.
	w := &writer{config: c, slots: make(chan struct{}, runtime.GOMAXPROCS(0)), old: old, files: map[string]manifest.File{}}
	err = c.compile(tmp, func(p program, content []byte) {
		n.content[p.name] = content
		w.add(p.name, hashed(p.name, content), content)
	})
	if err != nil {
		w.done.Wait()
		return nil, err
	}
	for source := range sources {
		name, err := n.resolve(source)
		if err != nil {
			return nil, err
		}
		w.add(source, name, n.content[source])
	}
	files, err := w.wait()
	if err != nil {
		return nil, err
	}

	if err := c.clear(files); err != nil {
		return nil, err
	}
	// The manifest comes last: a folder with a manifest is complete.
	return files, c.writeManifest(manifest.Manifest{Inputs: inputs, Files: files})
}

func (c config) writeManifest(m manifest.Manifest) error {
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.out, manifest.Name), append(b, '\n'), 0o644)
}

// extra is the folder of what a page loads on demand, in sources and in the packed files.
const extra = "extra"

// begin prepares the folder: it deletes the manifest, so that the folder counts as
// empty until pack has finished. It returns the complete files of the last run by
// name, which need not be compressed again.
func (c config) begin() (map[string]manifest.File, error) {
	if err := os.MkdirAll(filepath.Join(c.out, extra), 0o755); err != nil {
		return nil, err
	}
	old := map[string]manifest.File{}
	if m, err := c.readManifest(); err == nil && !c.force {
		for _, f := range m.Files {
			if c.complete(f) {
				old[f.Name] = f
			}
		}
	}
	err := os.Remove(filepath.Join(c.out, manifest.Name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return old, err
}

// clear deletes everything from the folder except files, their codings and .keep.
func (c config) clear(files []manifest.File) error {
	keep := map[string]bool{".keep": true}
	for _, f := range files {
		for _, suffix := range suffixes {
			keep[f.Name+suffix] = true
		}
	}
	return fs.WalkDir(os.DirFS(c.out), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || keep[name] {
			return err
		}
		return os.Remove(filepath.Join(c.out, name))
	})
}

// namer names files by hash and replaces the references to them.
type namer struct {
	content map[string][]byte
	names   map[string]string // by source; empty while it is being resolved
}

var reference = regexp.MustCompile(`asset:([A-Za-z0-9./_-]+)`)

// resolve returns the name under which source is packed. It first resolves, and
// replaces, the references in it.
func (n *namer) resolve(source string) (string, error) {
	if name, begun := n.names[source]; begun {
		if name == "" {
			return "", fmt.Errorf("%s: a cycle of references, want none", source)
		}
		return name, nil
	}
	content, exists := n.content[source]
	if source == firstLoad {
		return n.first()
	}
	if !exists {
		return "", fmt.Errorf("asset: %q, want the name of a source", source)
	}
	n.names[source] = ""
	if filepath.Ext(source) != ".wasm" {
		var problem error
		content = reference.ReplaceAllFunc(content, func(match []byte) []byte {
			name, err := n.resolve(string(match[len("asset:"):]))
			if err != nil && problem == nil {
				problem = fmt.Errorf("%s: %w", source, err)
			}
			return []byte(name)
		})
		if problem != nil {
			return "", problem
		}
		n.content[source] = content
	}
	n.names[source] = source
	if !slices.Contains(unhashed, source) {
		n.names[source] = hashed(source, content)
	}
	return n.names[source], nil
}

// unhashed are the files that keep their names, because browsers know them by these.
var unhashed = []string{"index.html", "organiser.html", "sw.js", "app.webmanifest"}

// firstLoad in a reference stands for the list of the files of the first load, but for
// the kernels, of which a browser takes one or none.
const firstLoad = "first-load"

// first returns that list, as JSON.
func (n *namer) first() (string, error) {
	var names []string
	for _, source := range slices.Sorted(maps.Keys(n.content)) {
		if slices.Contains(unhashed, source) || strings.HasPrefix(source, extra+"/") || slices.Contains(kernels, source) {
			continue
		}
		name, err := n.resolve(source)
		if err != nil {
			return "", err
		}
		names = append(names, name)
	}
	b, err := json.Marshal(names)
	return string(b), err
}

// hashed inserts the first bytes of the content's hash before the extension.
func hashed(source string, content []byte) string {
	sum := sha256.Sum256(content)
	ext := filepath.Ext(source)
	return strings.TrimSuffix(source, ext) + "." + hex.EncodeToString(sum[:4]) + ext
}

// writer compresses and writes files, several at a time.
type writer struct {
	config
	slots chan struct{}
	old   map[string]manifest.File // complete files of the last run
	done  sync.WaitGroup

	mu    sync.Mutex
	files map[string]manifest.File
	err   error
}

func (w *writer) add(source, name string, content []byte) {
	sum := sha256.Sum256(content)
	f := manifest.File{Name: name, Source: source, Hash: hex.EncodeToString(sum[:16]), Size: len(content), Fast: w.fast}
	if old, ok := w.old[name]; ok && old.Hash == f.Hash {
		w.finish(old, nil)
		return
	}
	w.done.Go(func() {
		w.slots <- struct{}{}
		defer func() { <-w.slots }()
		w.finish(w.compress(f, content))
	})
}

// compress writes f in every coding and returns it with its sizes.
func (w *writer) compress(f manifest.File, content []byte) (manifest.File, error) {
	if len(content) > 1<<20 {
		w.step("compressing %s", f.Source)
	}
	zipped, err := gzipped(content)
	if err != nil {
		return f, err
	}
	smaller, err := w.brotlied(content)
	if err != nil {
		return f, err
	}
	f.Gzip, f.Brotli = len(zipped), len(smaller)
	for i, b := range [][]byte{content, zipped, smaller} {
		if err := os.WriteFile(filepath.Join(w.out, f.Name+suffixes[i]), b, 0o644); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (w *writer) finish(f manifest.File, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[f.Name] = f
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%s: %w", f.Source, err)
	}
}

// wait waits for pending writes and returns the files, by name.
func (w *writer) wait() ([]manifest.File, error) {
	w.done.Wait()
	var files []manifest.File
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		files = append(files, w.files[name])
	}
	return files, w.err
}

func gzipped(content []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

func (c config) brotlied(content []byte) ([]byte, error) {
	// A window of 4 MB: one of 16 MB saves 300 bytes of a program.
	options := brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 22}
	if c.fast {
		options.Quality = 5
	}
	var b bytes.Buffer
	z := brotli.NewWriterOptions(&b, options)
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}
