//go:build !js

package words

import _ "embed"

var (
	//go:embed en.txt
	programText string

	//go:embed en.bench.txt
	benchText string

	//go:embed en.lab.txt
	labText string

	//go:embed de.txt
	germanProgramText string

	//go:embed de.lab.txt
	germanLabText string

	englishText = programText + "\n" + benchText + "\n" + labText
	germanText  = germanProgramText + "\n" + germanLabText
)
