package ui

// Figures is what the coordinator says of the training as a whole.
type Figures struct {
	Page *Page
}

// known writes n, or a dash as long as the coordinator has said nothing.
func (c *Figures) known(n int) string {
	if !c.Page.Loaded {
		return dash
	}
	return c.Page.Lang.Count(n)
}

// errorTitle names the number whose error is shown.
func (c *Figures) errorTitle() string {
	if e := c.Page.Task.Evaluation; e != nil && e.Target != "" {
		return c.Page.say("figures.error.of", e.Target)
	}
	return c.Page.say("figures.error")
}
