//go:build lab

package words

import _ "embed"

var (
	//go:embed en.lab.txt
	labText string

	englishText = programText + "\n" + labText
)
