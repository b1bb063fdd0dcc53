package ui

import (
	"slices"
	"strconv"

	"fedtab/tab"
)

// Given is what the tab learns from where the coordinator has the data: it says what was
// handed out, and shows some of it. A script (static/extra/wall.js) draws the pictures.
type Given struct {
	Page *Page
}

// Wall is what is known of the pictures that the tab was given.
type Wall struct {
	Asked  bool  // the worker, for them
	Labels []int // of those that are shown
}

// wantsWall reports whether the worker is to be asked for pictures: once, when it has all
// its examples, or trains with those that could be fetched.
func (p *Page) wantsWall() bool {
	if p.Wall.Asked || p.schema() != nil || !p.pictures() || len(p.reports) == 0 {
		return false
	}
	r := &p.reports[0]
	return r.Examples > 0 && (r.Shards == r.ShardsTotal || r.Activity == tab.Training)
}

// given reports whether the tab has examples now.
func (c *Given) given() bool { return c.Page.Taking() && c.Page.Local.Examples > 0 }

// walled reports whether pictures are shown.
func (c *Given) walled() bool { return c.given() && len(c.Page.Wall.Labels) > 0 }

// words says what the tab was given.
func (c *Given) words() string {
	p := c.Page
	if !c.given() {
		return p.say("given.none")
	}
	all := []string{p.say("given.some", p.Local.Examples)}
	if c.walled() {
		all = append(all, p.say("given.these"))
	} else if columns := p.Task.Data.Columns; len(columns) > 0 {
		all = append(all, p.say("given.columns", p.listing(columns)))
	}
	return sentences(all...)
}

// wallWords names what the pictures show: their classes, each once.
func (c *Given) wallWords() string {
	labels := slices.Clone(c.Page.Wall.Labels)
	slices.Sort(labels)
	var names []string
	for _, label := range slices.Compact(labels) {
		if of := c.Page.Task.Data.ClassNames; label < len(of) {
			names = append(names, of[label])
		} else {
			names = append(names, strconv.Itoa(label))
		}
	}
	return c.Page.say("given.wall", len(c.Page.Wall.Labels), c.Page.listing(names))
}
