package qrcode

import (
	"bytes"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"
)

// The drawing has the modules of the code, and the margin that scanners need.
func TestWrite(t *testing.T) {
	text := "https://example.org/t/mnist-2nn#invite=" + strings.Repeat("A", 60)
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	for _, colours := range []bool{false, true} {
		var out bytes.Buffer
		if err := Write(&out, text, colours); err != nil {
			t.Fatal(err)
		}
		drawn := out.String()
		if colours != strings.Contains(drawn, "\x1b[") {
			t.Errorf("colours %v: %q", colours, drawn)
		}
		drawn = strings.NewReplacer("\x1b[97;40m", "", "\x1b[0m", "").Replace(drawn)
		var rows [][]bool // dark
		for line := range strings.Lines(drawn) {
			var top, bottom []bool
			for _, r := range strings.TrimSuffix(line, "\n") {
				top, bottom = append(top, r == '▄' || r == ' '), append(bottom, r == '▀' || r == ' ')
			}
			rows = append(rows, top, bottom)
		}
		size := code.Size + 2*quietZone
		if len(rows) < size {
			t.Fatalf("%d rows, want at least %d", len(rows), size)
		}
		for y, row := range rows {
			if len(row) != size {
				t.Fatalf("row %d has %d modules, want %d", y, len(row), size)
			}
			for x, dark := range row {
				if dark != code.Black(x-quietZone, y-quietZone) {
					t.Fatalf("module %d, %d: dark %v, want %v", x, y, dark, !dark)
				}
			}
		}
	}
	if err := Write(new(bytes.Buffer), strings.Repeat("A", 5000), false); err == nil {
		t.Error("a code of 5000 characters is no error")
	}
}

// The paths have the modules of the code, and the margin that scanners need.
func TestSVG(t *testing.T) {
	const text = "https://example.org/t/mnist-2nn"
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := SVG(text)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(svg, &doc); err != nil {
		t.Fatal(err)
	}
	size := strconv.Itoa(code.Size + 2*quietZone)
	if doc.ViewBox != "0 0 "+size+" "+size || len(doc.Paths) != 2 || doc.Paths[0].Fill != "#fff" || doc.Paths[0].D != "M0 0h"+size+"v"+size+"H0z" {
		t.Errorf("view box %q, ground %+v", doc.ViewBox, doc.Paths[0])
	}
	dark := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(doc.Paths[1].D, -1) {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+1])
		}
		if n[2] != n[3] {
			t.Fatalf("a row of %d modules goes back by %d", n[2], n[3])
		}
		for x := range n[2] {
			dark[[2]int{n[0] + x - quietZone, n[1] - quietZone}] = true
		}
	}
	for y := -quietZone; y < code.Size+quietZone; y++ {
		for x := -quietZone; x < code.Size+quietZone; x++ {
			if dark[[2]int{x, y}] != code.Black(x, y) {
				t.Fatalf("module %d, %d: dark %v, want %v", x, y, dark[[2]int{x, y}], code.Black(x, y))
			}
		}
	}
	if len(svg) > 16<<10 {
		t.Errorf("%d bytes, want at most 16 KiB", len(svg))
	}
	if _, err := SVG(strings.Repeat("A", 5000)); err == nil {
		t.Error("a code of 5000 characters is no error")
	}
}
