package figure

import (
	"io"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
)

// dpi is the resolution of PNG.
const dpi = 150

// pixel is the length of a pixel of PNG.
const pixel = vg.Inch / dpi

// raster draws with gonum's canvas.
type raster struct{ c *vgimg.Canvas }

func newPNG(w, h vg.Length) *raster {
	return &raster{vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(white))}
}

func (r *raster) fill(p vg.Path, c rgb) {
	r.c.SetColor(c)
	r.c.Fill(p)
}

func (r *raster) stroke(p vg.Path, s pen) {
	r.c.SetColor(s.color)
	r.c.SetLineWidth(s.width)
	r.c.SetLineDash(s.dashes, 0)
	r.c.Stroke(p)
}

// text fills the outlines of the letters: gonum's canvas turns their pixels, which are
// ragged then.
func (r *raster) text(s string, t style, base vg.Point) {
	r.fill(t.outline(s, base), t.color)
}

func (r *raster) writeTo(w io.Writer) error {
	_, err := vgimg.PngCanvas{Canvas: r.c}.WriteTo(w)
	return err
}
