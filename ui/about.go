package main

// About says what the task is, and what stays in this tab.
type About struct {
	Page *Page
}

func (c *About) title() string {
	switch t := c.Page.Task; {
	case t.Title != "":
		return t.Title
	case t.Name != "":
		return t.Name
	}
	return "A training task"
}

// loaded says whether an empty description means that there is none.
func (c *About) loaded() string {
	if c.Page.Loaded {
		return "true"
	}
	return "false"
}
