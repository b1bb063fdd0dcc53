package task

import (
	"slices"
	"strings"
	"testing"
)

const rest = "model: {kind: mlp}\ndata: {source: mnist}\nstrategy: {kind: fedavg, lr: 0.5}\nstop: {rounds: 3}\n"

func TestTranslations(t *testing.T) {
	for _, test := range []struct {
		name, text           string
		title, german, about string
		others               []string
		yaml                 string // lines of the canonical form
	}{
		{"plain", "title: Digits\ndescription: About digits.\n", "Digits", "Digits", "About digits.", nil, "title: \"Digits\"\ndescription: \"About digits.\"\n"},
		{"both", "title: {de: Ziffern, en: Digits}\ndescription:\n  en: About digits.\n", "Digits", "Ziffern", "About digits.", []string{"de"},
			"title: {en: \"Digits\", de: \"Ziffern\"}\ndescription: {en: \"About digits.\"}\n"},
		{"German alone", "title: {de: Ziffern}\n", "Ziffern", "Ziffern", "", nil, "title: {de: \"Ziffern\"}\njoin"},
		{"none", "", "small", "small", "", nil, "title: \"small\"\njoin"},
		{"no text", "title: {en: Digits}\ndescription: \"\"\n", "Digits", "Digits", "", nil, "title: {en: \"Digits\"}\njoin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse("x.yaml", []byte("name: small\n"+test.text+rest))
			if err != nil {
				t.Fatal(err)
			}
			if s := got.Title.String(); s != test.title {
				t.Errorf("title %q, want %q", s, test.title)
			}
			if s := got.Title.In("de"); s != test.german {
				t.Errorf("title in German %q, want %q", s, test.german)
			}
			if s := got.Description.In("de"); s != test.about {
				t.Errorf("description in German %q, want %q", s, test.about)
			}
			if all := got.Title.Other(); !slices.Equal(all, test.others) {
				t.Errorf("other languages %v, want %v", all, test.others)
			}
			if y := string(got.YAML()); !strings.Contains(y, test.yaml) {
				t.Errorf("the canonical form lacks\n%s\n%s", test.yaml, y)
			}
			again, err := Parse("y.yaml", got.YAML())
			if err != nil || again.Hash() != got.Hash() {
				t.Errorf("the canonical form is read as another task: %v", err)
			}
			plain, err := Parse("x.yaml", []byte("name: small\n"+rest))
			if err != nil {
				t.Fatal(err)
			}
			if changes, err := got.Changes(plain.YAML(), true); err != nil || changes != nil {
				t.Errorf("a translation is a change of the run: %v, %v", changes, err)
			}
		})
	}
}

func TestTranslationErrors(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		sets             []string
	}{
		{"unknown language", "title:\n  en: Digits\n  fr: Chiffres\n", "x.yaml:4: unknown field title.fr (allowed: de, en)", nil},
		{"no language", "title: {}\n", "x.yaml:2: title is without a language, want a text, or one in each of en, de", nil},
		{"long", "title:\n  de: " + strings.Repeat("Z", MaxTitle+1) + "\n", "want one line of 1 to 120 characters", nil},
		{"twice", "title:\n  de: a\n  de: b\n", "x.yaml:4: title.de is given again (first on line 3), want it once", nil},
		{"a number", "title: {de: 7}\n", "x.yaml:2: title.de is 7, want a text (in quotes if it looks like something else)", nil},
		{"a list", "description: [a, b]\n", "x.yaml:2: description is a list, want a text (in quotes if it looks like something else), or one by language, such as {en: Digits, de: Ziffern}", nil},
		{"set", "title: {de: 7}\n", "--set title={fr: a}: unknown field title.fr (allowed: de, en)", []string{"title={fr: a}"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte("name: small\n"+test.text+rest), test.sets...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
	got, err := Parse("x.yaml", []byte("name: small\ntitle: {en: Digits, de: Ziffern}\n"+rest), "title={de: Zahlen}")
	if err != nil || got.Title.String() != "Zahlen" {
		t.Errorf("title %v, %v, want that of --set alone", got.Title, err)
	}
}

// Tasks that ship are in every language, and no two have the same title.
func TestShippedAreTranslated(t *testing.T) {
	seen := map[string]string{}
	for _, name := range Shipped() {
		shipped, err := Find(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, language := range Languages {
			title, about := shipped.Title[language], shipped.Description[language]
			if title == "" || about == "" {
				t.Errorf("%s: title %q, description %q in %s, want both", name, title, about, language)
			}
			if other, ok := seen[title]; ok {
				t.Errorf("%s and %s have the same title, %q", name, other, title)
			}
			seen[title] = name
		}
	}
}
