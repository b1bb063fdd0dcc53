package labpage

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"

	"fedtab/lab"
	"fedtab/ui/draw"
	"fedtab/words"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/staticrender"
)

// Stand is a page of the lab, or without a Sheet their list.
type Stand struct {
	Lang  *words.Language
	Root  string // leads from the page's address to the coordinator's root
	Sheet *lab.Sheet

	view *lab.View
}

// Write writes the page as HTML, as its state is at first.
func (c *Stand) Write(w io.Writer) error {
	renderer := staticrender.New(w)
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		return err
	}
	if c.Sheet != nil {
		c.view = c.Sheet.Open("").Draw(c.Lang)
	}
	return renderer.Render(draw.Build(env, c))
}

func (c *Stand) say(key string, args ...any) string { return c.Lang.Say(key, args...) }

// Title is that of the browser's tab.
func (c *Stand) Title() string { return c.say("title.state", c.say(c.sheet().Title)) }

// Description says what the page is for those who search.
func (c *Stand) Description() string { return c.say(c.sheet().Lead) }

// sheet returns the page; in place of the list one without parts.
func (c *Stand) sheet() *lab.Sheet {
	if c.Sheet == nil {
		return &lab.Sheet{Title: "lab.title", Lead: "lab.lead"}
	}
	return c.Sheet
}

// sheets are all pages.
func (c *Stand) sheets() []*lab.Sheet { return lab.Sheets() }

// cards are the pages that the list leads to.
func (c *Stand) cards() []*lab.Sheet {
	if c.Sheet != nil {
		return nil
	}
	return lab.Sheets()
}

func (c *Stand) href(s *lab.Sheet) string { return c.Root + "lab/" + s.Name }

// current marks the page that is shown.
func (c *Stand) current(s *lab.Sheet) any {
	if c.Sheet != nil && c.Sheet.Name == s.Name {
		return "page"
	}
	return nil
}

// drawing returns a figure as SVG. What it shows is drawn anew in its two groups; data-frame
// says where places are: left, top, right, bottom, and the places at the lower left and the
// upper right corner.
func (c *Stand) drawing(f lab.Figure) string {
	i := slices.IndexFunc(c.view.Figures, func(d lab.Drawing) bool { return d.Name == f.Name })
	d := c.view.Figures[i]
	role := "img"
	if strings.Contains(d.Front, "tabindex") {
		role = "group"
	}
	r := d.Frame
	frame := fmt.Sprint(r.Left, r.Top, r.Right, r.Bottom, r.Low.X, r.Low.Y, r.High.X, r.High.Y)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" id="figure-%[1]s" viewBox="0 0 %[2]g %[3]g" role="%[4]s" aria-label="%[5]s" data-frame="%[6]s"><clipPath id="area-%[1]s"><rect x="%[7]g" y="%[8]g" width="%[9]g" height="%[10]g"></rect></clipPath><g class="back">%[11]s</g><g class="front">%[12]s</g></svg>`,
		f.Name, r.Width, r.Height, role, html.EscapeString(c.say(f.Label)), frame, r.Left, r.Top, r.Right-r.Left, r.Bottom-r.Top, d.Back, d.Front)
}

// partClass tells parts with several figures, which stand beside each other, and those without.
func partClass(p lab.Part) string {
	switch {
	case len(p.Figures) > 1:
		return "step part paired"
	case len(p.Figures) == 0:
		return "step part plain"
	}
	return "step part"
}

// field is a setting of a form.
type field struct {
	*lab.Setting
	lab.Field
}

func (f field) id() string     { return "set-" + f.Setting.Name }
func (f field) said() string   { return "say-" + f.Setting.Name }
func (f field) slides() bool   { return f.Kind == lab.Slider || f.Kind == lab.Step }
func (f field) chooses() bool  { return f.Kind == lab.Choice || f.Kind == lab.Speed }
func (f field) numbered() bool { return f.Kind == lab.Seed }

// class tells narrow fields, of which several stand beside each other.
func (f field) class() string {
	if f.slides() {
		return "setting slides"
	}
	return "setting"
}

func (c *Stand) fields(p lab.Part) (all []field) {
	for _, name := range p.Settings {
		i := slices.IndexFunc(c.view.Fields, func(f lab.Field) bool { return f.Name == name })
		all = append(all, field{c.Sheet.Setting(name), c.view.Fields[i]})
	}
	return all
}

// option is a value of a choice.
type option struct{ value, text string }

func (c *Stand) options(f field) (all []option) {
	if !f.chooses() {
		return nil
	}
	for _, v := range f.Values {
		all = append(all, option{strconv.FormatFloat(v, 'g', -1, 64), f.Words(c.Lang, v)})
	}
	return all
}

// selected marks the value that a choice has.
func (f field) selected(o option) any {
	if o.value == f.Value {
		return "selected"
	}
	return nil
}

// sentences and figures are a part's readings: those that are sentences, and those that have
// a name.
func (c *Stand) sentences(p lab.Part) []lab.Reading { return c.readings(p, false) }
func (c *Stand) figures(p lab.Part) []lab.Reading   { return c.readings(p, true) }

func (c *Stand) readings(p lab.Part, named bool) (some []lab.Reading) {
	for _, r := range p.Readings {
		if (r.Term != "") == named {
			some = append(some, r)
		}
	}
	return some
}

// told returns what a reading says.
func (c *Stand) told(r lab.Reading) string {
	for _, t := range c.view.Texts {
		if t.Name == r.Name {
			return t.Text
		}
	}
	return ""
}

// sign draws what the figures show a reading by.
func (c *Stand) sign(r lab.Reading) string {
	if r.Mark == "" {
		return ""
	}
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 20 20" class="sign" aria-hidden="true">` + lab.Sign(r.Mark) + `</svg>`
}
