package qrcode

import (
	"io"
	"strings"

	"rsc.io/qr"
)

// Write writes a QR code of text in half-block characters, two rows of modules in a
// line. Light modules are drawn and dark ones left out, as on a dark terminal; with
// colours they are white and black on any.
func Write(w io.Writer, text string, colours bool) error {
	code, err := encode(text, qr.L)
	if err != nil {
		return err
	}
	begin, end := "", "\n"
	if colours {
		begin, end = "\x1b[97;40m", "\x1b[0m\n"
	}
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString(begin)
		for x := -quietZone; x < code.Size+quietZone; x++ {
			switch top, bottom := !code.Black(x, y), !code.Black(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString(end)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
