package ui

// Absent says that there is no such page, and leads to those that there are.
type Absent struct {
	Page *Page
}

func (c *Absent) home() string { return c.Page.Root + "./" }
