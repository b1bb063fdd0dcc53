// Package organiser reads the file that says who runs a coordinator, and how its page
// looks: the organiser's name, contact and privacy text, a logo and a colour.
//
//	name: School of Data, Sample Town
//	contact: data@school.example
//	privacy:
//	  en: We keep no addresses.
//	  de: Wir speichern keine Adressen.
//	logo: logo.svg # beside this file
//	accent: "#7a1f5c"
//
// Decoding is strict, as that of task files is. docs/page.md describes the fields.
package organiser

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"fedtab/coordinator/task"
)

// Organiser is what a file says. The zero value is that of a coordinator without one.
type Organiser struct {
	Name    string
	Contact Contact
	Logo    *Logo // nil: there is none
	Style   Style // empty: that of the page
	Notes   []string

	privacy task.Text
}

// Contact is how the organiser is reached.
type Contact struct {
	Text string // as a person reads it; empty: there is none
	URL  string // mailto:, http: or https:
}

// Privacy returns the paragraphs of the privacy text in a language, none without one.
func (o *Organiser) Privacy(language string) (paragraphs []string) {
	for _, p := range regexp.MustCompile(`\n\s*\n`).Split(o.privacy.In(language), -1) {
		if p = strings.TrimSpace(p); p != "" {
			paragraphs = append(paragraphs, p)
		}
	}
	return paragraphs
}

// Logo is a picture for the page.
type Logo struct {
	Type    string // image/svg+xml or image/png
	Content []byte
}

// Address returns where the page finds the logo, relative to the coordinator's root.
func (l *Logo) Address() string {
	return map[string]string{svgType: "logo.svg", pngType: "logo.png"}[l.Type] + "?v=" + Tag(l.Content)
}

// Style is a style sheet that sets colours as custom properties.
type Style []byte

// Address returns where the page finds the style sheet, relative to the coordinator's
// root; empty if there is none.
func (s Style) Address() string {
	if len(s) == 0 {
		return ""
	}
	return "site.css?v=" + Tag(s)
}

// Tag names a content.
func Tag(content []byte) string {
	sum := sha256.Sum256(content)
	return fmt.Sprintf("%x", sum[:6])
}

// Limits of a file.
const (
	MaxName    = 120      // characters: a line
	MaxContact = 200      // characters
	MaxPrivacy = 20_000   // characters: a few pages
	MaxLogo    = 64 << 10 // bytes
	maxSide    = 4096     // pixels of a PNG
)

const (
	svgType = "image/svg+xml"
	pngType = "image/png"
)

// file is what a file holds.
type file struct {
	Name    string    `yaml:"name"`
	Contact string    `yaml:"contact"`
	Privacy task.Text `yaml:"privacy"`
	Logo    string    `yaml:"logo"`
	Accent  string    `yaml:"accent"`
}

// Load reads the file at path, and the logo beside it. The error is a *task.Error if the
// content is invalid.
func Load(path string) (*Organiser, error) {
	text, err := read(path, task.MaxFile)
	if err != nil {
		return nil, err
	}
	return Parse(path, text, func(logo string) ([]byte, error) { return read(filepath.Join(filepath.Dir(path), logo), MaxLogo) })
}

// read reads a file and one byte more than max, so that longer ones are noticed.
func read(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max+1))
}

var accentForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// Parse reads text, the content of the file called name. logo reads a file beside it.
// The error is a *task.Error.
func Parse(name string, text []byte, logo func(path string) ([]byte, error)) (*Organiser, error) {
	var v file
	o := new(Organiser)
	err := task.ReadFields(name, text, "site", &v, func(f task.Fields) {
		f.Want(line(v.Name, MaxName), "name", v.Name, fmt.Sprintf("the organiser's name on one line, 1 to %d characters", MaxName))
		o.Name, o.privacy = v.Name, v.Privacy
		if f.Has("contact") {
			var ok bool
			o.Contact, ok = contactOf(v.Contact)
			f.Want(ok, "contact", v.Contact, "an address for mail, such as study@example.org, or an address of a page, such as https://example.org/contact")
		}
		f.Texts(v.Privacy, "privacy", func(text string) bool {
			return strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= MaxPrivacy && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' })
		}, fmt.Sprintf("1 to %d characters of text, paragraphs with an empty line between them", MaxPrivacy))
		if f.Has("logo") {
			var err error
			if o.Logo, err = logoOf(v.Logo, logo); err != nil {
				f.Wrong("logo", "%v", err)
			}
		}
		if f.Has("accent") {
			ok := accentForm.MatchString(v.Accent)
			f.Want(ok, "accent", v.Accent, `a colour as "#rrggbb" in quotes, such as "#3557c9"`)
			if ok {
				o.Style, o.Notes = styleOf(strings.ToLower(v.Accent))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// line reports whether a text is a line of at most max characters.
func line(text string, max int) bool {
	return strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= max && !strings.ContainsFunc(text, unicode.IsControl)
}

// contactOf reads an address for mail, or that of a page.
func contactOf(text string) (Contact, bool) {
	if !line(text, MaxContact) {
		return Contact{}, false
	}
	if a, err := mail.ParseAddress(text); err == nil && a.Name == "" && a.Address == text {
		return Contact{text, (&url.URL{Scheme: "mailto", Opaque: url.PathEscape(text)}).String()}, true
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, " \"<>") {
		return Contact{}, false
	}
	return Contact{text, u.String()}, true
}

// logoOf reads a picture beside the file.
func logoOf(path string, open func(path string) ([]byte, error)) (*Logo, error) {
	if !filepath.IsLocal(path) {
		return nil, fmt.Errorf("%q, want the path of a file beside this one, such as logo.svg", path)
	}
	l := &Logo{Type: map[string]string{".svg": svgType, ".png": pngType}[strings.ToLower(filepath.Ext(path))]}
	if l.Type == "" {
		return nil, fmt.Errorf("%q, want a file that ends in .svg or .png", path)
	}
	var err error
	if l.Content, err = open(path); err != nil {
		return nil, fmt.Errorf("%w, want a file that can be read", err)
	}
	if len(l.Content) > MaxLogo {
		return nil, fmt.Errorf("%s has more than %d bytes, want at most that", path, MaxLogo)
	}
	if l.Type == svgType {
		err = checkSVG(l.Content)
	} else {
		err = checkPNG(l.Content)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// checkSVG reports what is wrong with an SVG document: browsers show none that is not
// well-formed.
func checkSVG(content []byte) error {
	d := xml.NewDecoder(bytes.NewReader(content))
	root := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%w, want an SVG document", err)
		}
		if e, ok := token.(xml.StartElement); ok && root == "" {
			if root = e.Name.Local; e.Name.Local != "svg" || e.Name.Space != "http://www.w3.org/2000/svg" {
				return fmt.Errorf(`the first element is <%s>, want <svg xmlns="http://www.w3.org/2000/svg">`, root)
			}
		}
	}
	if root == "" {
		return errors.New("it has no element, want an SVG document")
	}
	return nil
}

func checkPNG(content []byte) error {
	c, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("%w, want a PNG", err)
	}
	if c.Width > maxSide || c.Height > maxSide {
		return fmt.Errorf("%d x %d pixels, want at most %d along a side", c.Width, c.Height, maxSide)
	}
	return nil
}
