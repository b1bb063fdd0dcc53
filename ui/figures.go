package main

// Figures is what the coordinator says of the training as a whole.
type Figures struct {
	Page *Page
}

// known returns s, or a dash as long as the coordinator has said nothing.
func (c *Figures) known(s string) string {
	if !c.Page.Loaded {
		return dash
	}
	return s
}
