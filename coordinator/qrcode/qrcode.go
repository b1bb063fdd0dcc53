// Package qrcode draws QR codes of texts: in a terminal, and as SVG for the page.
package qrcode

import (
	"fmt"
	"strconv"

	"rsc.io/qr"
)

// quietZone is the margin of a QR code that scanners need, in modules (ISO/IEC 18004,
// 9.1).
const quietZone = 4

func encode(text string, level qr.Level) (*qr.Code, error) {
	code, err := qr.Encode(text, level)
	if err != nil {
		return nil, fmt.Errorf("QR code of %d characters: %w", len(text), err)
	}
	return code, nil
}

// SVG returns a QR code as an SVG document that scales to any size: black on white with
// its margin, on dark grounds too. A seventh of it may be hidden. The error says that
// the text is too long.
func SVG(text string) ([]byte, error) {
	code, err := encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	size := strconv.Itoa(code.Size + 2*quietZone)
	b := []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + size + " " + size + `" shape-rendering="crispEdges">` +
		`<path fill="#fff" d="M0 0h` + size + "v" + size + "H0z\"/>" + `<path d="`)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			n := 0 // dark modules in a row
			for code.Black(x+n, y) {
				n++
			}
			if n > 0 {
				b = fmt.Appendf(b, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, n, n)
				x += n
			}
		}
	}
	return append(b, `"/></svg>`...), nil
}
