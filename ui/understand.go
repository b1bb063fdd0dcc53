package ui

// Understand says what the task is, and what stays in this tab.
type Understand struct {
	Page *Page
}

func (c *Understand) title() string {
	if t := c.Page.Task; t.Name != "" {
		return c.Page.heading(t.Name, t.Title, t.Translations)
	}
	return c.Page.say("about.title")
}

// loaded says whether an empty description means that there is none.
func (c *Understand) loaded() string {
	if c.Page.Loaded {
		return "true"
	}
	return "false"
}
