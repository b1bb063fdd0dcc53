package ui

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

func (c *Figures) rmse() Figure {
	if e := c.Page.Task.Evaluation; e != nil {
		return figure(e.RMSE)
	}
	return Figure{}
}

// errorTitle names the number whose error is shown.
func (c *Figures) errorTitle() string {
	if e := c.Page.Task.Evaluation; e != nil && e.Target != "" {
		return "Typical error of " + e.Target
	}
	return "Typical error"
}
