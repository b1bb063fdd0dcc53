package compare

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"strings"

	"fedtab/coordinator/simulate"
)

// cellJSON is a simulation in the JSON of a report.
type cellJSON struct {
	Part     string              `json:"part"`
	Variant  string              `json:"variant"`
	Grid     map[string]string   `json:"grid,omitempty"`
	Seed     uint64              `json:"seed"`
	Command  string              `json:"command"`
	Failed   string              `json:"failed,omitempty"`
	Key      string              `json:"key"`     // of the cache
	Program  string              `json:"program"` // hash of the file of the program that made it, and the kernels
	Measures map[string]*float64 `json:"measures"`
	Settings map[string]string   `json:"settings,omitempty"` // that are not those of all cells of the part
	Data     string              `json:"data_sha256,omitempty"`
	Model    string              `json:"model_sha256,omitempty"`
	Final    *simulate.Final     `json:"final,omitempty"`
}

type rowJSON struct {
	Variant  string                `json:"variant"`
	Grid     []string              `json:"grid,omitempty"`
	Chosen   string                `json:"chosen,omitempty"`
	Measures map[string][]*float64 `json:"measures"` // by seed
}

type partJSON struct {
	Part     string            `json:"part"`
	Seeds    []uint64          `json:"seeds"`
	Settings map[string]string `json:"settings,omitempty"` // of all cells
	Rows     []rowJSON         `json:"rows"`
	Verdicts []verdictJSON     `json:"expect,omitempty"`
}

type verdictJSON struct {
	Text  string   `json:"text"`
	Line  int      `json:"line"`
	Holds bool     `json:"holds"`
	Left  *float64 `json:"left"` // null: not known
	Right *float64 `json:"right"`
	Why   string   `json:"why,omitempty"`
}

// common returns the settings that all simulations have alike.
func common(cells []*Outcome) (all map[string]string) {
	for _, o := range cells {
		switch {
		case o.Result == nil:
		case all == nil:
			all = maps.Clone(o.Result.Settings)
		default:
			maps.DeleteFunc(all, func(path, value string) bool {
				own, ok := o.Result.Settings[path]
				return !ok || own != value
			})
		}
	}
	return all
}

func (r *Report) json() ([]byte, error) {
	out := struct {
		Program string     `json:"program"`
		Machine string     `json:"machine"`
		Command string     `json:"command"`
		Parts   []partJSON `json:"parts"`
		Cells   []cellJSON `json:"cells"`
	}{Program: r.Program, Machine: r.Machine, Command: r.Command}
	finite := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	for i := range r.Sections {
		s := &r.Sections[i]
		p := partJSON{Part: s.Part.Name, Seeds: s.Part.Seeds, Settings: common(s.Cells)}
		for _, v := range s.Verdicts {
			j := verdictJSON{Text: v.Text, Line: v.Line, Holds: v.Holds, Why: v.Why}
			if v.Why == "" {
				j.Left, j.Right = finite(v.A), finite(v.B)
			}
			p.Verdicts = append(p.Verdicts, j)
		}
		for _, row := range s.Rows {
			j := rowJSON{Variant: row.Variant, Grid: row.Grid, Chosen: row.Chosen, Measures: map[string][]*float64{}}
			for _, c := range s.Columns {
				for _, x := range row.Values(c.name) {
					j.Measures[c.name] = append(j.Measures[c.name], finite(x))
				}
			}
			p.Rows = append(p.Rows, j)
		}
		for _, o := range s.Cells {
			c := cellJSON{Part: s.Part.Name, Variant: o.Cell.Variant, Seed: o.Cell.Seed, Command: o.Cell.Command(), Failed: o.Failed, Key: o.Key, Program: o.Program, Measures: map[string]*float64{}}
			for g, path := range s.Part.Grid.Keys {
				if c.Grid == nil {
					c.Grid = map[string]string{}
				}
				c.Grid[path] = o.Cell.Grid[g]
			}
			if m := s.Part.measure(o); m != nil {
				for name, of := range measures {
					if strings.HasSuffix(name, "_target") && m.target == nil {
						continue
					}
					if x := finite(of.of(m)); x != nil {
						c.Measures[name] = x
					}
				}
			}
			if r := o.Result; r != nil {
				c.Settings, c.Data, c.Model, c.Final = maps.Clone(r.Settings), r.DataSHA256, r.ModelSHA256, &r.Final
				maps.DeleteFunc(c.Settings, func(path, _ string) bool { _, in := p.Settings[path]; return in })
			}
			out.Cells = append(out.Cells, c)
		}
		out.Parts = append(out.Parts, p)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	err := e.Encode(out)
	return b.Bytes(), err
}
