package ui

// Try is a step of a task's page.
type Try struct {
	Page *Page
}
