package ui

import (
	"cmp"

	"fedtab/api"
)

// Absent says that there is no such page, and leads to those that there are.
type Absent struct {
	Page *Page
}

func (c *Absent) home() string { return c.Page.Root + "./" }

func (c *Absent) href(t api.Card) string { return c.Page.Root + "t/" + t.Name }

// words says what to do.
func (c *Absent) words() string {
	return cmp.Or(c.Page.phrase(c.Page.Missing), c.Page.say("absent.words"))
}
