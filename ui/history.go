package main

// shownRounds is how many rounds the table shows. The renderer sends all of a
// page at every change, so a long table would cost at every change.
const shownRounds = 10

// History is a table of the newest rounds.
type History struct {
	Page *Page
}
