package main

// Facts says what is learned from what, how, and until when.
type Facts struct {
	Page *Page
}
