package ui

import "fedtab/api"

// Chooser leads from one task to another. The address says which is shown, so
// these are plain links. Its line is there even with one task: whether there are
// more is known late, and the page should not move then.
type Chooser struct {
	Page *Page
}

// choices returns the tasks if there is a choice.
func (c *Chooser) choices() []api.Card {
	if len(c.Page.Tasks) < 2 && c.Page.Missing == "" {
		return nil
	}
	return c.Page.Tasks
}

func (c *Chooser) hint() string {
	switch {
	case len(c.Page.Tasks) < 2 && c.Page.Missing == "":
		return "Training task"
	case c.Page.Taking():
		return "To choose another task, leave this one first."
	}
	return ""
}

// href returns nil, and so no attribute, where the link leads nowhere now.
func (c *Chooser) href(t api.Card) any {
	if c.Page.Taking() {
		return nil
	}
	return "#" + t.Name
}

func (c *Chooser) current(t api.Card) any {
	if t.Name == c.Page.Selected {
		return "page"
	}
	return nil
}

func (c *Chooser) disabled(t api.Card) any {
	if c.Page.Taking() && t.Name != c.Page.Selected {
		return "true"
	}
	return nil
}

func (c *Chooser) words(t api.Card) string {
	return c.Page.heading(t.Name, t.Title)
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
