package ui

// Facts says what is learned from what, how, and until when.
type Facts struct {
	Page *Page
}

// handed reports whether there is a model that the organiser hands out.
func (c *Facts) handed() bool { return c.Page.Task.Download && c.Page.Task.Version > 0 }

// model returns the address of the newest model, in a format, from the page.
func (c *Facts) model(format string) string {
	return c.Page.Root + "api/tasks/" + c.Page.Task.Name + "/models/newest." + format
}
