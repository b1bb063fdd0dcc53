package ui

import "fedtab/api"

// Head says which task it is, and shows some of its data.
type Head struct {
	Page *Page
}

// loaded says whether an empty description means that there is none.
func (c *Head) loaded() string {
	if c.Page.Loaded {
		return "true"
	}
	return "false"
}

// columns are the first columns of the task's table.
func (c *Head) columns() []string {
	names := c.Page.Task.Data.Columns
	if len(names) > api.MaxShown {
		return append(names[:api.MaxShown:api.MaxShown], c.Page.say("list.more", len(names)-api.MaxShown))
	}
	return names
}
