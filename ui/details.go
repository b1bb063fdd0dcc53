package ui

// Details is a step of a task's page.
type Details struct {
	Page *Page
}
