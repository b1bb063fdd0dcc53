package task

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// source is what the checks know of a data set.
type source struct {
	examples int
	shape    []int
	classes  int
}

// sources are the data sets that exist.
var sources = map[string]source{
	"mnist": {60000, []int{28, 28}, 10},
}

// check looks at the values of a task whose fields could be read.
func (d *decoder) check(t *Task) {
	d.want(validName.MatchString(t.Name), "name", quoted(t.Name),
		fmt.Sprintf("a-z, 0-9 and -, up to %d characters, - not first (it is part of addresses)", MaxName))
	if d.has("title") {
		d.want(strings.TrimSpace(t.Title) != "" && utf8.RuneCountInString(t.Title) <= MaxTitle && !hasControl(t.Title, ""),
			"title", quoted(t.Title), fmt.Sprintf("one line of 1 to %d characters", MaxTitle))
	}
	d.want(utf8.RuneCountInString(t.Description) <= MaxDescription && !hasControl(t.Description, "\n"),
		"description", quoted(t.Description), fmt.Sprintf("at most %d characters of text", MaxDescription))

	source, known := sources[t.Data.Source]
	d.model(t.Model, source)
	d.want(known, "data.source", quoted(t.Data.Source), `"mnist"`)
	d.optimiser(t.Optimiser)
	d.partition(t.Data.Partition, source.examples)

	for _, p := range t.Strategy.Problems() {
		path := "strategy." + p.Field
		if d.has(path) {
			d.wrong(path, fmt.Sprintf("%s is %v, want %s", path, p.Value, p.Want))
		} else {
			d.wrong(path, fmt.Sprintf("%s is missing, want %s", path, p.Want))
		}
	}

	s := t.Stop
	d.want(s.Rounds >= 0 && s.Rounds <= MaxRounds, "stop.rounds", s.Rounds,
		fmt.Sprintf("1 <= rounds <= %d (0: no such condition)", MaxRounds))
	d.want(s.Accuracy >= 0 && s.Accuracy <= 1, "stop.accuracy", s.Accuracy, "0 < accuracy <= 1 (0: no such condition)")
	d.want(s.Time == 0 || s.Time >= time.Second && s.Time <= MaxTime, "stop.time", s.Time,
		fmt.Sprintf("1s <= time <= %v (0s: no such condition)", MaxTime))
	if s == (Stop{}) && !d.brokenAt("stop.rounds") && !d.brokenAt("stop.accuracy") && !d.brokenAt("stop.time") {
		d.wrong("stop", "stop has no condition, want at least one of rounds, accuracy, time")
	}
	d.want(t.EvalEvery >= 1 && t.EvalEvery <= MaxRounds, "eval_every", t.EvalEvery, fmt.Sprintf("1 <= eval_every <= %d", MaxRounds))
}

// partition checks how the examples are divided.
func (d *decoder) partition(p Partition, examples int) {
	const path = "data.partition."
	kind := d.want(p.Kind == IID || p.Kind == Shards || p.Kind == Dirichlet, path+"kind", quoted(p.Kind), `"iid", "shards" or "dirichlet"`)
	clients := d.want(p.Clients >= 1 && p.Clients <= MaxClients, path+"clients", p.Clients, fmt.Sprintf("1 <= clients <= %d", MaxClients))
	if !kind {
		return
	}
	shards := true
	switch given := d.has(path + "shards_per_client"); {
	case given && p.Kind == Shards:
		shards = d.want(p.PerClient >= 1 && p.PerClient <= MaxShards, path+"shards_per_client", p.PerClient, fmt.Sprintf("1 <= shards_per_client <= %d", MaxShards))
	case given:
		d.want(false, path+"shards_per_client", p.PerClient, fmt.Sprintf("none, because kind is %q (it belongs to kind \"shards\")", p.Kind))
	}
	switch given := d.has(path + "alpha"); {
	case p.Kind == Dirichlet:
		// Below 0.001 the draws underflow; above 1000 it is IID.
		const want = "0.001 <= alpha <= 1000"
		if !given {
			d.wrong(path+"alpha", path+"alpha is missing, want "+want+" (kind is \"dirichlet\")")
		} else {
			d.want(p.Alpha >= 0.001 && p.Alpha <= 1000, path+"alpha", p.Alpha, want)
		}
	case given:
		d.want(false, path+"alpha", p.Alpha, fmt.Sprintf("none, because kind is %q (it belongs to kind \"dirichlet\")", p.Kind))
	}
	per := p.PerClient
	if per == 0 {
		per = 2
	}
	if p.Kind == Shards && clients && shards && examples > 0 && p.Clients*per > examples {
		d.wrong(path+"shards_per_client", fmt.Sprintf("data.partition makes %d clients x %d shards, want at most %d shards (the data has %d examples)",
			p.Clients, per, examples, examples))
	}
}

// want reports the field at path unless ok, or that it is missing. It returns
// ok; a field that could not be read has been reported.
func (d *decoder) want(ok bool, path string, value any, want string) bool {
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

// wrong reports a problem of the field at path, at the place where it or its
// section was given, unless its value could not be read in the first place.
func (d *decoder) wrong(path, text string) {
	if d.brokenAt(path) {
		return
	}
	d.fail(d.place(path), path, "%s", text)
}

// has reports whether the field at path was given.
func (d *decoder) has(path string) bool { _, ok := d.given[path]; return ok }

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

// hasControl reports whether s has control characters other than those in
// but, or what is not a character.
func hasControl(s, but string) bool {
	for _, r := range s {
		if (unicode.IsControl(r) || r == utf8.RuneError) && !strings.ContainsRune(but, r) {
			return true
		}
	}
	return false
}
