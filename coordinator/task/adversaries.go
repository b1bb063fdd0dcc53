package task

import (
	"fmt"
	"slices"
	"strings"
)

// Adversaries configures clients of a simulation that lie or do nothing. A live run
// ignores it.
type Adversaries struct {
	Fraction float64 `yaml:"fraction,omitempty"` // of the clients, drawn from the seed; rounded to a whole number
	Kind     string  `yaml:"kind,omitempty"`     // what they do; empty: there are none
	Scale    float64 `yaml:"scale,omitempty"`    // factor, see AdversaryKinds; 0 takes the kind's default
	Target   int     `yaml:"target,omitempty"`   // class that triggered examples are to get, of backdoor; default 0
}

// An AdversaryKind is one way to harm a run.
type AdversaryKind struct {
	Name  string
	Help  string
	Scale float64 // default of Adversaries.Scale; 0: the kind has none
	Data  bool    // it changes the examples, which must have classes
}

// AdversaryKinds returns the kinds of adversaries. Backdoor's default factor is the number
// of clients in the round.
func AdversaryKinds() []AdversaryKind {
	return []AdversaryKind{
		{Name: "sign-flip", Help: "sends its update times -scale", Scale: 10},
		{Name: "scale", Help: "sends its update times scale", Scale: 10},
		{Name: "noise", Help: "adds Gaussian noise, of scale times the norm of its update", Scale: 10},
		{Name: "label-flip", Help: "trains on class k - 1 - y in place of y", Data: true},
		{Name: "backdoor", Help: "trains half of its examples with a patch in a corner and the class target, and sends its update times scale (default: the number of clients in the round)", Data: true},
		{Name: "little-is-enough", Help: "sends mean - scale x standard deviation of the honest updates, coordinate by coordinate", Scale: 1.5},
		{Name: "inner-product", Help: "sends the mean of the honest updates times -scale", Scale: 1},
		{Name: "idle", Help: "answers no order"},
		{Name: "decline", Help: "declines every order"},
	}
}

// AdversaryKindOf returns the kind of a name.
func AdversaryKindOf(name string) (AdversaryKind, bool) {
	kinds := AdversaryKinds()
	i := slices.IndexFunc(kinds, func(k AdversaryKind) bool { return k.Name == name })
	if i < 0 {
		return AdversaryKind{}, false
	}
	return kinds[i], true
}

// MaxAdversaryScale bounds Adversaries.Scale.
const MaxAdversaryScale = 1e6

func (a *Adversaries) fill() {
	if k, ok := AdversaryKindOf(a.Kind); ok && a.Scale == 0 {
		a.Scale = k.Scale
	}
}

func (d *decoder) adversaries(t *Task) {
	a := t.Adversaries
	if a == (Adversaries{}) {
		return
	}
	var names []string
	for _, k := range AdversaryKinds() {
		names = append(names, fmt.Sprintf("%q", k.Name))
	}
	kind, known := AdversaryKindOf(a.Kind)
	d.want(known, "adversaries.kind", a.Kind, strings.Join(names, ", "))
	d.want(a.Fraction >= 0 && a.Fraction < 1, "adversaries.fraction", a.Fraction, "0 <= fraction < 1")
	d.want(a.Scale >= 0 && a.Scale <= MaxAdversaryScale, "adversaries.scale", a.Scale, fmt.Sprintf("0 < scale <= %d", int(MaxAdversaryScale)))
	if known {
		d.want(a.Scale == 0 || kind.Scale != 0 || a.Kind == "backdoor", "adversaries.scale", a.Scale, "none beside kind: "+a.Kind)
		d.want(a.Target == 0 || a.Kind == "backdoor", "adversaries.target", a.Target, "none beside kind: "+a.Kind)
	}
	d.want(a.Target >= 0, "adversaries.target", a.Target, "a class, from 0")
}
