//go:build !js

package words

import _ "embed"

var (
	//go:embed en.txt
	programText string

	//go:embed en.bench.txt
	benchText string

	//go:embed de.txt
	germanText string

	englishText = programText + "\n" + benchText
)
