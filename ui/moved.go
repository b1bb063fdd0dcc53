package ui

// Moved is a step of a task's page.
type Moved struct {
	Page *Page
}
