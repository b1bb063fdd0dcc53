package ui

// About says what the task is, and what stays in this tab.
type About struct {
	Page *Page
}

func (c *About) title() string {
	if t := c.Page.Task; t.Name != "" {
		return c.Page.heading(t.Name, t.Title)
	}
	return c.Page.say("about.title")
}

// loaded says whether an empty description means that there is none.
func (c *About) loaded() string {
	if c.Page.Loaded {
		return "true"
	}
	return "false"
}
