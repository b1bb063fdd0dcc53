package ui

// Keep is a step of a task's page.
type Keep struct {
	Page *Page
}
