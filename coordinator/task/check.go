package task

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fedtab/strategy"
)

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// check validates the values of all fields that could be read.
func (d *decoder) check(t *Task) {
	d.want(validName.MatchString(t.Name), "name", quoted(t.Name),
		fmt.Sprintf("a-z, 0-9 and -, up to %d characters, - not first (it is part of addresses)", MaxName))
	d.translated(t.Title, "title", func(text string) bool {
		return strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= MaxTitle && !hasControl(text, "")
	}, fmt.Sprintf("one line of 1 to %d characters", MaxTitle))
	d.translated(t.Description, "description", func(text string) bool {
		return utf8.RuneCountInString(text) <= MaxDescription && !hasControl(text, "\n")
	}, fmt.Sprintf("at most %d characters of text", MaxDescription))

	d.want(t.Join == Open || t.Join == Invited, "join", quoted(t.Join), `"open" or "invited"`)

	before := len(d.problems)
	d.data(&t.Data)
	source := t.Data.facts() // zero when it is unknown, as of a file that has not been read
	if t.Data.Source == own && len(d.problems) == before && !d.brokenIn("data") {
		s := t.Data.Schema()
		source.shape, source.classes = s.Shape(), len(s.Classes())
	}
	d.model(t.Model, source)
	d.optimiser(t.Optimiser)
	d.devices(t.Devices)
	d.adversaries(t, source)

	for _, p := range d.schemes.Problems(t.Strategy) {
		path := "strategy." + p.Field
		if d.has(path) {
			d.wrong(path, fmt.Sprintf("%s is %v, want %s", path, p.Value, p.Want))
		} else {
			d.wrong(path, fmt.Sprintf("%s is missing, want %s", path, p.Want))
		}
	}

	d.optimiserFor(t.Strategy, t.Optimiser)
	d.compress(t.Compress, t.Strategy)
	d.privacy(t)

	d.stop(t)
	d.seeds(t.Seeds)
	d.want(t.Data.Drift >= 0, "data.drift", t.Data.Drift, "drift >= 1, in mini-batches of every client (0: none)")
	d.want(t.Data.Drift == 0 || t.Strategy.Batches > 0, "data.drift", t.Data.Drift, "strategy.batches beside it: rounds of epochs do not count mini-batches")
	d.want(t.EvalEvery >= 1 && t.EvalEvery <= MaxRounds, "eval_every", t.EvalEvery, fmt.Sprintf("1 <= eval_every <= %d", MaxRounds))
}

// optimiserFor checks that the strategy can be combined with the clients' optimiser.
func (d *decoder) optimiserFor(s strategy.Config, o Optimiser) {
	scheme, _ := d.schemes.Find(s.Kind)
	if scheme.Optimiser == nil {
		return
	}
	limits := scheme.Optimiser(s)
	if len(limits.Kinds) > 0 {
		d.want(slices.Contains(limits.Kinds, o.Kind), "optimiser.kind", quoted(o.Kind), fmt.Sprintf("%s, because %s", strings.Join(limits.Kinds, " or "), limits.Why))
	}
	if limits.Plain {
		d.plain(o, limits.Why)
	}
}

// plain checks that every step of an order is the gradient times one rate.
func (d *decoder) plain(o Optimiser, why string) {
	d.want(o.Schedule == "" || o.Schedule == "constant", "optimiser.schedule", quoted(o.Schedule), "constant, because "+why)
	d.want(o.Warmup == 0, "optimiser.warmup", o.Warmup, "0, because "+why)
	d.want(o.Clip == 0, "optimiser.clip", o.Clip, "none, because "+why)
	d.want(o.WeightDecay == 0, "optimiser.weight_decay", o.WeightDecay, "0, because "+why+" (model.l2 is part of the loss)")
}

// want reports the field at path unless ok, as wrong or as missing. It returns ok. A
// field that could not be read has been reported before.
func (d *decoder) want(ok bool, path string, value any, want string) bool {
	if d.asked != nil {
		d.asked[path] = append(d.asked[path], want)
	}
	if ok {
		return true
	}
	if !d.has(path) {
		d.wrong(path, fmt.Sprintf("%s is missing, want %s", path, want))
		return false
	}
	d.wrong(path, fmt.Sprintf("%s is %v, want %s", path, value, want))
	return false
}

// wrong reports a problem of the field at path, with the place of the field or its
// section, unless its value could not be read.
func (d *decoder) wrong(path, text string) {
	if d.brokenAt(path) {
		return
	}
	d.fail(d.place(path), path, "%s", text)
}

// has reports whether the field at path was given.
func (d *decoder) has(path string) bool { _, ok := d.given[path]; return ok }

// hasIn reports whether the section at path, or a field of it, was given.
func (d *decoder) hasIn(path string) bool {
	if d.has(path) {
		return true
	}
	for p := range d.given {
		if under(p, path) {
			return true
		}
	}
	return false
}

// brokenAt reports whether the field at path, or a section around it, could
// not be read.
func (d *decoder) brokenAt(path string) bool {
	for p := path; p != ""; p = parent(p) {
		if d.broken[p] {
			return true
		}
	}
	return false
}

// brokenIn reports whether a field of the section at path could not be read.
func (d *decoder) brokenIn(path string) bool {
	for p := range d.broken {
		if under(p, path) {
			return true
		}
	}
	return false
}

// place returns where the field at path was given, or the section around it.
func (d *decoder) place(path string) origin {
	for p := path; p != ""; p = parent(p) {
		if at, ok := d.given[p]; ok {
			return at
		}
	}
	return origin{line: 1}
}

func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// hasControl reports whether s has control characters other than those in but, or
// invalid UTF-8.
func hasControl(s, but string) bool {
	for _, r := range s {
		if (unicode.IsControl(r) || r == utf8.RuneError) && !strings.ContainsRune(but, r) {
			return true
		}
	}
	return false
}
