package ui

import (
	"cmp"

	"fedtab/api"
)

// Home is the list of tasks.
type Home struct {
	Page *Page
}

func (c *Home) href(t api.Card) string { return c.Page.Root + "t/" + t.Name }

func (c *Home) words(t api.Card) string { return c.Page.heading(t.Name, t.Title, t.Translations) }

// heading returns a task's title in the page's language, with its name where another
// task has the same title.
func (p *Page) heading(name, title string, other map[string]api.Translation) string {
	title = p.translated(title, other, func(t api.Translation) string { return t.Title })
	if title == "" {
		return name
	}
	for _, t := range p.Tasks {
		if t.Name != name && p.translated(t.Title, t.Translations, func(t api.Translation) string { return t.Title }) == title {
			return title + " (" + name + ")"
		}
	}
	return title
}

// translated returns a text of a task in the page's language, if there is such a one.
func (p *Page) translated(text string, other map[string]api.Translation, of func(api.Translation) string) string {
	if p.Lang == nil {
		return text
	}
	return cmp.Or(of(other[p.Lang.Code]), text)
}

// Description says what the shown task is about, in the page's language.
func (p *Page) Description() string {
	return p.translated(p.Task.Description, p.Task.Translations, func(t api.Translation) string { return t.Description })
}
