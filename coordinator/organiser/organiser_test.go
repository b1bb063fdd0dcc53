package organiser

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/static"
)

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`

// pictures are the files beside a site.yaml.
func pictures(t testing.TB) func(path string) ([]byte, error) {
	t.Helper()
	small, large := new(bytes.Buffer), new(bytes.Buffer)
	for b, side := range map[*bytes.Buffer]int{small: 2, large: maxSide + 1} {
		if err := png.Encode(b, image.NewGray(image.Rect(0, 0, side, 1))); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{
		"logo.svg": svg, "html.svg": "<html></html>", "cut.svg": svg[:40], "empty.svg": " ", "long.svg": svg + strings.Repeat(" ", MaxLogo),
		"logo.PNG": small.String(), "large.png": large.String(), "no.png": svg, "logo.gif": "GIF89a",
	}
	return func(path string) ([]byte, error) {
		content, ok := files[path]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return []byte(content), nil
	}
}

func TestParse(t *testing.T) {
	o, err := Parse("site.yaml", []byte(`
name: School of Data, Sample Town
contact: data@school.example
privacy:
  en: |
    We keep no addresses.

    Models are public.
  de: Wir speichern keine Adressen.
logo: logo.svg
accent: "#7a1f5c"
`), pictures(t))
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "School of Data, Sample Town" || o.Contact != (Contact{"data@school.example", "mailto:data@school.example"}) {
		t.Errorf("name %q, contact %+v", o.Name, o.Contact)
	}
	for language, want := range map[string][]string{
		"en": {"We keep no addresses.", "Models are public."}, "de": {"Wir speichern keine Adressen."}, "fr": {"We keep no addresses.", "Models are public."},
	} {
		if got := o.Privacy(language); !slices.Equal(got, want) {
			t.Errorf("privacy in %s: %q, want %q", language, got, want)
		}
	}
	if o.Logo == nil || o.Logo.Type != "image/svg+xml" || string(o.Logo.Content) != svg || o.Logo.Address() != "logo.svg?v="+Tag([]byte(svg)) {
		t.Errorf("logo %+v", o.Logo)
	}
	if o.Style.Address() != "site.css?v="+Tag(o.Style) || !strings.Contains(string(o.Style), "--accent: #7a1f5c;") {
		t.Errorf("style at %q: %s", o.Style.Address(), o.Style)
	}
	o, err = Parse("site.yaml", []byte("name: A\ncontact: https://a.example/contact?x=1\nlogo: logo.PNG\n"), pictures(t))
	if err != nil || o.Contact.URL != "https://a.example/contact?x=1" || o.Logo.Type != "image/png" || o.Style.Address() != "" || o.Privacy("en") != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestRefused(t *testing.T) {
	const wantContact = "want an address for mail, such as study@example.org, or an address of a page, such as https://example.org/contact"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "site.yaml: is empty, want a site with the fields name, contact, privacy, logo, accent"},
		{"no name", "accent: \"#000000\"\n", "site.yaml:1: name is missing, want the organiser's name on one line, 1 to 120 characters"},
		{"unknown field", "name: A\ncolour: red\n", "site.yaml:2: unknown field colour (allowed: accent, contact, logo, name, privacy)"},
		{"long name", "name: " + strings.Repeat("A", MaxName+1) + "\n", "want the organiser's name on one line"},
		{"name of two lines", "name: \"a\\nb\"\n", "site.yaml:1: name is \"a\\nb\", want the organiser's name on one line"},
		{"contact", "name: A\ncontact: the office\n", "site.yaml:2: contact is \"the office\", " + wantContact},
		{"contact with a name", "name: A\ncontact: A <a@example.org>\n", wantContact},
		{"contact that runs", "name: A\ncontact: \"javascript:alert(1)\"\n", wantContact},
		{"contact with a password", "name: A\ncontact: https://a:b@example.org\n", wantContact},
		{"language", "name: A\nprivacy:\n  fr: Bonjour\n", "site.yaml:3: unknown field privacy.fr (allowed: de, en)"},
		{"no privacy", "name: A\nprivacy: \"\"\n", "site.yaml:2: privacy is \"\", want 1 to 20000 characters"},
		{"accent", "name: A\naccent: \"#12345\"\n", "site.yaml:2: accent is \"#12345\", want a colour as \"#rrggbb\" in quotes"},
		{"accent without quotes", "name: A\naccent: #123456\n", "site.yaml:2: accent is empty, want a text"},
		{"accent that ends the rule", "name: A\naccent: \"#12345;}\"\n", "want a colour"},
		{"logo elsewhere", "name: A\nlogo: ../logo.svg\n", "site.yaml:2: logo: \"../logo.svg\", want the path of a file beside this one"},
		{"logo of another kind", "name: A\nlogo: logo.gif\n", "site.yaml:2: logo: \"logo.gif\", want a file that ends in .svg or .png"},
		{"no logo", "name: A\nlogo: none.svg\n", "site.yaml:2: logo: open none.svg: file does not exist, want a file that can be read"},
		{"long logo", "name: A\nlogo: long.svg\n", "site.yaml:2: logo: long.svg has more than 65536 bytes, want at most that"},
		{"HTML", "name: A\nlogo: html.svg\n", "logo: html.svg: the first element is <html>, want <svg xmlns="},
		{"half a logo", "name: A\nlogo: cut.svg\n", "unexpected EOF, want an SVG document"},
		{"no element", "name: A\nlogo: empty.svg\n", "it has no element, want an SVG document"},
		{"no PNG", "name: A\nlogo: no.png\n", "want a PNG"},
		{"large PNG", "name: A\nlogo: large.png\n", "4097 x 1 pixels, want at most 4096 along a side"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("site.yaml", []byte(test.text), pictures(t))
			if invalid := (*task.Error)(nil); !errors.As(err, &invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// Whatever the colour, text on it and of it can be read, and a colour that can be read
// stays as it is.
func TestStyle(t *testing.T) {
	property := func(css Style, part int, name string) string {
		rules := strings.Split(string(css), "@media")
		m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]{6});`).FindStringSubmatch(rules[part])
		if m == nil {
			t.Fatalf("no --%s in %s", name, rules[part])
		}
		return m[1]
	}
	levels := []int{0, 51, 102, 153, 204, 255}
	for _, r := range levels {
		for _, g := range levels {
			for _, b := range levels {
				accent := fmt.Sprintf("#%02x%02x%02x", r, g, b)
				css, notes := styleOf(accent)
				for i, s := range schemes() {
					used := property(css, i, "accent")
					for _, colour := range []string{used, property(css, i, "accent-strong")} {
						if c, ground := s.contrast(colour); c < minContrast {
							t.Errorf("%s, %s scheme: %s has a contrast of %.2f on %s", accent, s.name, colour, c, ground)
						}
					}
					if used == property(css, i, "accent-strong") {
						t.Errorf("%s, %s scheme: what is pointed at has the colour of the rest, %s", accent, s.name, used)
					}
					c, _ := s.contrast(accent)
					noted := slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "in the "+s.name+" scheme "+used) })
					if stays := c >= minContrast; stays != (used == accent) || stays == noted {
						t.Errorf("%s, %s scheme: contrast %.2f, %s is used, the notes are %q", accent, s.name, c, used, notes)
					}
				}
			}
		}
	}
}

// The schemes are read from the style sheet, whose own accent can be read.
func TestSchemes(t *testing.T) {
	for i, rules := range strings.SplitN(static.BaseCSS, "@media (prefers-color-scheme: dark)", 2) {
		s := schemes()[i]
		if len(s.grounds) != 4 {
			t.Errorf("%s scheme: grounds %v, want --ground, --surface, --trouble-ground and --on-accent", s.name, s.grounds)
		}
		for _, name := range []string{"accent", "accent-strong"} {
			m := regexp.MustCompile(`--` + name + `: (#[0-9a-f]{6});`).FindStringSubmatch(rules)
			if m == nil {
				t.Fatalf("%s scheme: no --%s in base.css", s.name, name)
			}
			if c, ground := s.contrast(m[1]); c < minContrast {
				t.Errorf("%s scheme: --%s, %s, has a contrast of %.2f on %s, want at least %v", s.name, name, m[1], c, ground, minContrast)
			}
		}
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	if _, err := Open(path, log); err == nil || !strings.Contains(err.Error(), "--site: open "+path) {
		t.Errorf("without a file: %v", err)
	}
	write("name: Before\n")
	s, err := Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	write("name: [\n")
	if any, err := s.Reload(); err == nil || !any || s.Current().Name != "Before" {
		t.Errorf("of an invalid file: %v, and the name is %q", err, s.Current().Name)
	}
	write("name: After\n")
	if any, err := s.Reload(); err != nil || !any || s.Current().Name != "After" {
		t.Errorf("of another file: %v, and the name is %q", err, s.Current().Name)
	}
	if s, err = Open("", log); err != nil || s.Current().Name != "" || s.Current().Privacy("en") != nil {
		t.Errorf("without --site: %+v, %v", s.Current(), err)
	}
	if any, err := s.Reload(); any || err != nil {
		t.Errorf("without --site a file was read: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name: A\ncontact: a@example.org\nprivacy: {en: a, de: b}\nlogo: logo.svg\naccent: \"#7a1f5c\"\n"), []byte(svg))
	f.Add([]byte("name: A\nlogo: logo.png\n"), []byte("\x89PNG"))
	f.Fuzz(func(t *testing.T, text, logo []byte) {
		o, err := Parse("site.yaml", text, func(string) ([]byte, error) { return logo, nil })
		if err != nil {
			if invalid := (*task.Error)(nil); !errors.As(err, &invalid) {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		if u := o.Contact.URL; u != "" && !regexp.MustCompile(`^(mailto:|https?://)`).MatchString(u) {
			t.Fatalf("the contact leads to %q", u)
		}
		if !regexp.MustCompile(`^[-a-z0-9#:;{}()@ \n]*$`).Match(o.Style) {
			t.Fatalf("style %s", o.Style)
		}
		o.Privacy("de")
	})
}
