package words

import _ "embed"

// programText is without the texts of pages that the program never draws (embed.go).
//
//go:embed en.txt
var programText string

// germanText is not in the tab's program, which loads it where it is read: it would be a
// fiftieth of the first load.
var germanText string

// Load takes in the file of the language with a code, before its first use. English is
// there, and needs none.
func Load(code, file string) {
	if code == german.Code {
		germanText = file
	}
}
