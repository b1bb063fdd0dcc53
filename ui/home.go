package ui

import (
	"slices"

	"fedtab/api"
)

// Home is the list of tasks.
type Home struct {
	Page *Page
}

func (c *Home) href(t api.Card) string { return c.Page.Root + "t/" + t.Name }

func (c *Home) words(t api.Card) string { return c.Page.heading(t.Name, t.Title) }

// has reports whether there is a task of a name.
func (p *Page) has(name string) bool {
	return slices.ContainsFunc(p.Tasks, func(t api.Card) bool { return t.Name == name })
}

// heading returns a task's title, with its name where another task has the same title.
func (p *Page) heading(name, title string) string {
	if title == "" {
		return name
	}
	for _, t := range p.Tasks {
		if t.Title == title && t.Name != name {
			return title + " (" + name + ")"
		}
	}
	return title
}
