package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"fedtab/static/manifest"
	"fedtab/words"

	"github.com/andybalholm/brotli"
)

// indexName is the packed file that is the frame of every page. It is a template, and is
// not served as it is.
const indexName = "index.html"

// appName is the packed manifest by which browsers install the page as an app.
const appName = "app.webmanifest"

// organisersName is the packed page of the organisers' dashboard.
const organisersName = "organiser.html"

// Frame is what a page is put into: its head, header and footer (static/index.html).
type Frame struct {
	// Build names the files that the page loads: another build has another name.
	Build    string
	template *template.Template
	app      map[string]any  // the manifest of the page as an app
	files    map[string]bool // by path
}

// Framed is a page in its frame.
type Framed struct {
	Kind        string // of the page, for its scripts
	Root        string // leads from the page's address to the root: "", "../", ...
	Title       string // of the browser's tab
	Description string
	Own         bool // the page's task is about data that participants bring
	By          By   // the organiser
	Page        template.HTML
	View        any // what the page was rendered from, as JSON for its program
	Build       string
	Words       *words.Language
}

// Languages returns the languages of the page, for its footer.
func (Framed) Languages() []*words.Language { return words.Languages() }

// By is what a page says of the organiser; empty fields are left out. Addresses are
// relative to the root.
type By struct {
	Name       string
	Contact    string   // as a person reads it
	ContactURL string   // mailto:, http: or https:
	Privacy    []string // paragraphs, in the page's language
	Style      string   // address of a style sheet with colours
	Logo       string   // address of a picture
}

// ErrUnbuilt is the error of a build without static/dist.
var ErrUnbuilt = errors.New("the page is not built: run make build")

// OpenFrame returns the frame of this build's pages.
func OpenFrame() (*Frame, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return openFrame(files)
}

func openFrame(files fs.FS) (*Frame, error) {
	m, err := readManifest(files)
	if err != nil {
		return nil, err
	}
	if len(m.Files) == 0 {
		return nil, ErrUnbuilt
	}
	text, err := fs.ReadFile(files, indexName)
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	t, err := template.New(indexName).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	f := &Frame{Build: buildOf(m), template: t, files: map[string]bool{}}
	app, err := fs.ReadFile(files, appName)
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	if err := json.Unmarshal(app, &f.app); err != nil {
		return nil, fmt.Errorf("static: dist/"+appName+": %w", err)
	}
	for _, file := range m.Files {
		f.files["/"+file.Name] = !slices.Contains([]string{indexName, appName, organisersName}, file.Name)
	}
	return f, nil
}

// Has reports whether Handler has a file at a path.
func (f *Frame) Has(path string) bool { return f.files[path] }

// HTML returns a page in the frame.
func (f *Frame) HTML(page Framed) ([]byte, error) {
	page.Build = f.Build
	var b bytes.Buffer
	err := f.template.Execute(&b, page)
	return b.Bytes(), err
}

// App returns the manifest by which browsers install the page as an app of a name; empty
// is fedtab.
func (f *Frame) App(name string) ([]byte, error) {
	app := maps.Clone(f.app)
	if name != "" {
		app["name"], app["short_name"] = name, name
	}
	return json.Marshal(app)
}

// AppType is the content type of App.
const AppType = "application/manifest+json"

// A Document is a page that is ready to be sent.
type Document struct {
	tag   string
	coded [3][]byte // in each of codings
}

// NewDocument compresses a page.
func NewDocument(page []byte) *Document {
	sum := sha256.Sum256(page)
	d := &Document{tag: hex.EncodeToString(sum[:8])}
	var br, gz bytes.Buffer
	b := brotli.NewWriterLevel(&br, documentQuality)
	z := gzip.NewWriter(&gz)
	for _, w := range []io.WriteCloser{b, z} {
		w.Write(page) // a buffer takes everything
		w.Close()
	}
	d.coded = [3][]byte{br.Bytes(), gz.Bytes(), page}
	return d
}

// documentQuality is Brotli's level for pages that change every second: about a
// millisecond.
const documentQuality = 5

// Serve sends the document with a status. Browsers ask again each time, and get it only
// if it has changed.
func (d *Document) Serve(w http.ResponseWriter, r *http.Request, status int) {
	c := negotiate(r.Header.Values("Accept-Encoding"))
	h := w.Header()
	setSecurityHeaders(h)
	h.Set("Content-Type", types[".html"])
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie")
	h.Set("Cache-Control", "no-cache")
	tag := `"` + d.tag + `"`
	if c.name != "" {
		tag = `"` + d.tag + "-" + c.name + `"`
	}
	if status == http.StatusOK {
		h.Set("ETag", tag)
		if matches(r.Header.Values("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if c.name != "" {
		h.Set("Content-Encoding", c.name)
	}
	body := d.coded[slices.Index(codings, c)]
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		w.Write(body) // an error means that the browser has disconnected
	}
}

// buildOf names what browsers load.
func buildOf(m manifest.Manifest) string {
	const length = 12 // hexadecimal digits: enough to tell builds apart
	return m.Inputs[:min(length, len(m.Inputs))]
}
