//go:build !js

package words

import _ "embed"

//go:embed de.txt
var germanText string
