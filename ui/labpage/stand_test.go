package labpage

import (
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"

	"fedtab/lab"
	"fedtab/words"
)

func written(t *testing.T, c *Stand) string {
	t.Helper()
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Each page is whole in both languages: no key stands for a text, identities are there once,
// labels name their fields, and figures are drawn.
func TestPages(t *testing.T) {
	key := regexp.MustCompile(`>lab\.[a-z.]+<|"lab\.[a-z.]+"`)
	identity := regexp.MustCompile(` id="([^"]*)"`)
	for _, l := range words.Languages() {
		for _, s := range append([]*lab.Sheet{nil}, lab.Sheets()...) {
			page := written(t, &Stand{Lang: l, Root: "../", Sheet: s})
			if found := key.FindString(page); found != "" {
				t.Errorf("%s: %s has no text", l.Code, found)
			}
			ids := map[string]bool{}
			for _, m := range identity.FindAllStringSubmatch(page, -1) {
				if ids[m[1]] {
					t.Errorf("%s: two elements have the id %s", l.Code, m[1])
				}
				ids[m[1]] = true
			}
			for _, m := range regexp.MustCompile(` for="([^"]*)"`).FindAllStringSubmatch(page, -1) {
				if !ids[m[1]] {
					t.Errorf("%s: a label is for %s, which there is not", l.Code, m[1])
				}
			}
			if s == nil {
				continue
			}
			for _, part := range s.Parts {
				for _, f := range part.Figures {
					if !ids["figure-"+f.Name] {
						t.Errorf("%s: no figure %s", s.Name, f.Name)
					}
				}
				for _, name := range part.Settings {
					if !ids["set-"+name] {
						t.Errorf("%s: no field for %s", s.Name, name)
					}
				}
			}
			told := strings.Contains(page, `<p class="note">`+l.Say("lab.keys"))
			if movable := strings.Contains(page, `class="handle"`); told != movable {
				t.Errorf("%s: says how to move points: %v, has some: %v", s.Name, told, movable)
			}
			wellFormed(t, page)
		}
	}
}

// wellFormed checks that the page's figures are XML.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	for _, figure := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
		d := xml.NewDecoder(strings.NewReader(figure))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in %.200s", err, figure)
			}
		}
	}
}

// The list leads to every page, and each page to the others.
func TestLinks(t *testing.T) {
	list := written(t, &Stand{Root: ""})
	page := written(t, &Stand{Root: "../", Sheet: lab.Sheets()[0]})
	for i, s := range lab.Sheets() {
		if !strings.Contains(list, `href="lab/`+s.Name+`"`) {
			t.Errorf("the list does not lead to %s", s.Name)
		}
		link := regexp.MustCompile(`<a[^>]*href="../lab/` + s.Name + `"[^>]*>`).FindString(page)
		if link == "" || strings.Contains(link, `aria-current="page"`) != (i == 0) {
			t.Errorf("the first page leads to %s by %q", s.Name, link)
		}
	}
}
