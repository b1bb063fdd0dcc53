package compare

import (
	"math"
	"slices"
	"strings"
)

// Row is a variant at a point of the grid, over its seeds.
type Row struct {
	Variant  string
	label    string               // of a row of a study, for people; empty: the variant
	Grid     []string             // values of the paths that results are told by
	Chosen   string               // by a search; empty: there is none
	measured []*measured          // by seed; nil: it has failed
	given    map[string][]float64 // measures of a study, in place of outcomes
}

// Values returns a measure over the seeds.
func (r *Row) Values(name string) (all []float64) {
	if r.given != nil {
		return r.given[name]
	}
	for _, m := range r.measured {
		x := unknown64
		if m != nil {
			x = measures[name].of(m)
		}
		all = append(all, x)
	}
	return all
}

// Spread returns the spread of a measure.
func (r *Row) Spread(name string) Spread { return spreadOf(r.Values(name)) }

// variant names the variant of a row to people.
func (r *Row) variant() string { return strings.ReplaceAll(r.Variant, "_", " ") }

// legend names a row in a figure. With one variant the values of the grid say all.
func (p *Part) legend(r *Row) string {
	var words []string
	if len(p.Variants.Keys) > 1 {
		words = append(words, r.variant())
	}
	for i, v := range r.Grid {
		path := p.told()[i]
		if len(p.Variants.Keys) == 1 {
			v = strings.ReplaceAll(path[strings.LastIndex(path, ".")+1:], "_", " ") + " " + v
		}
		words = append(words, v)
	}
	return strings.Join(words, ", ")
}

// measure returns what measures of a cell are made of; nil if it has failed: what it did
// before says nothing of the whole.
func (p *Part) measure(o *Outcome) *measured {
	if o.Result == nil || o.Failed != "" {
		return nil
	}
	m := &measured{result: o.Result, points: pointsOf(o.Result)}
	for figure, value := range p.Target {
		m.target = &target{figure, value}
	}
	return m
}

// rows puts what came out of a part into rows.
func (p *Part) rows(outcomes []*Outcome) (rows []*Row) {
	find := func(variant string, grid []string) *Row {
		for _, r := range rows {
			if r.Variant == variant && slices.Equal(r.Grid, grid) {
				return r
			}
		}
		r := &Row{Variant: variant, Grid: grid}
		rows = append(rows, r)
		return r
	}
	for _, o := range outcomes {
		if o == nil || o.Cell.Part != p {
			continue
		}
		r := find(o.Cell.Variant, o.Cell.Grid)
		r.measured = append(r.measured, p.measure(o))
	}
	if p.Best != nil {
		return p.choose(rows)
	}
	return rows
}

// choose keeps of each variant and each point of the grid the best value of a path.
func (p *Part) choose(all []*Row) (kept []*Row) {
	at := slices.Index(p.Grid.Keys, p.Best.Over)
	for _, r := range all {
		r.Chosen = r.Grid[at]
		r.Grid = slices.Delete(slices.Clone(r.Grid), at, at+1)
		i := slices.IndexFunc(kept, func(k *Row) bool { return k.Variant == r.Variant && slices.Equal(k.Grid, r.Grid) })
		if i < 0 {
			kept = append(kept, r)
		} else if better(p.Best.By, r.Spread(p.Best.By), kept[i].Spread(p.Best.By)) {
			kept[i] = r
		}
	}
	for _, r := range kept {
		if r.Spread(p.Best.By).Seeds == 0 { // nothing can be chosen by it
			r.Chosen, r.measured = "none", make([]*measured, len(r.measured))
		}
	}
	return kept
}

// better compares two spreads of a measure: first by how many seeds lack it, then by the
// mean, which is to be large for accuracies and small for everything else.
func better(measure string, a, b Spread) bool {
	if a.Lacking != b.Lacking {
		return a.Lacking < b.Lacking
	}
	if math.IsNaN(b.Mean) {
		return !math.IsNaN(a.Mean)
	}
	if measures[measure].unit == percent && measure != "backdoor_success" && measure != "client_deviation" {
		return a.Mean > b.Mean
	}
	return a.Mean < b.Mean
}

// judge returns the verdicts on a part's statements.
func (p *Part) judge(rows []*Row) (all []Verdict) {
	for i := range p.Expect {
		all = append(all, p.Expect[i].judge(func(variant string, grid []string, measure string) ([]float64, error) {
			if p.Study == "" {
				if err := p.has(variant, grid, measure); err != nil {
					return nil, err
				}
			}
			for _, r := range rows {
				if r.Variant == variant && slices.Equal(r.Grid, grid) {
					return r.Values(measure), nil
				}
			}
			return nil, nil
		}))
	}
	return all
}
