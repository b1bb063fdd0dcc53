package ui

// Facts says what is learned from what, how, and until when.
type Facts struct {
	Page *Page
}

// model returns the address of the newest model, in a format.
func (c *Facts) model(format string) string {
	return "api/tasks/" + c.Page.Task.Name + "/models/newest." + format
}
