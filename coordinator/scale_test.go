package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"fedtab/learn"
	"fedtab/protocol"
)

var updateScale = flag.Bool("update", false, "write the plan of docs/scale.md")

const scalePage = "../docs/scale.md"

// unmeasured is the value of a figure that there is not yet, and of a row that needs it.
const unmeasured = "to be measured"

// figures are values by the names that docs/scale.md gives them. NaN are unmeasured.
type figures struct {
	t      *testing.T
	values map[string]float64
}

// at returns a figure. Its name is one of the page's.
func (f figures) at(name string) float64 {
	f.t.Helper()
	v, ok := f.values[name]
	if !ok {
		f.t.Fatalf("docs/scale.md has no figure %q", name)
	}
	return v
}

func (f figures) nodes(tabs float64) float64 { return math.Ceil(tabs / f.at("tabs for each node")) }
func (f figures) answers(tabs float64) float64 {
	return tabs * f.at("C, the share that is ordered in a round")
}

// rate returns Mbit/s of a node for kilobytes that each of its answers takes.
func (f figures) rate(kB float64) float64 {
	return f.answers(f.at("tabs for each node")) * kB * 8 / 1000 / f.at("time of a round")
}

// raw returns the kilobytes of a raw model.
func (f figures) raw() float64 { return 4 * f.at("parameters") / 1000 }

// line returns the seconds that a node's line takes for megabytes.
func (f figures) line(mb float64) float64 { return mb * 8 / 1000 / f.at("a line of a node") }

func (f figures) sums(tabs float64) float64   { return f.nodes(tabs) * 8 * f.at("parameters") / 1e6 }
func (f figures) models(tabs float64) float64 { return f.nodes(tabs) * 4 * f.at("parameters") / 1e6 }
func (f figures) rows(tabs float64) float64 {
	return f.answers(tabs) * f.at("a row of a contribution in the log, at least") / 1e6
}

// perSecond returns the answers a second at a node.
func (f figures) perSecond() float64 {
	return f.answers(f.at("tabs for each node")) / f.at("time of a round")
}

// plan has the rows of the plan, each with how it follows from the figures.
var plan = []struct {
	name string
	of   func(f figures, tabs float64) float64
}{
	{"nodes", figures.nodes},
	{"runs, as many participants as a run takes in each", func(f figures, tabs float64) float64 { return math.Ceil(tabs / f.at("participants of a run, at most")) }},
	{"sessions on a node, MB", func(f figures, _ float64) float64 { return f.at("tabs for each node") * f.at("an idle session") / 1000 }},
	{"sessions on a node while one is lost, of its sockets, %", func(f figures, tabs float64) float64 {
		return 100 * tabs / (f.nodes(tabs) - 1) / f.at("sockets of a coordinator, at most")
	}},
	{"all tabs join anew, s", func(f figures, _ float64) float64 { return f.at("tabs for each node") / f.at("joins") }},
	{"with TLS of the nodes' own, s", func(f figures, _ float64) float64 {
		return f.at("tabs for each node") / f.at("joins with TLS of the coordinator's own")
	}},
	{"answers in a round", figures.answers},
	{"answers at a node, 1/s", func(f figures, _ float64) float64 { return f.perSecond() }},
	{"cores of a node for raw answers", func(f figures, _ float64) float64 {
		return f.perSecond() * f.at("reading and adding a raw answer") / 1000
	}},
	{"cores of a node to decode and add packed ones", func(f figures, _ float64) float64 {
		return f.perSecond() * f.at("decoding and adding a packed answer") / 1000
	}},
	{"cores of a node for pings", func(f figures, _ float64) float64 {
		return f.at("tabs for each node") * f.at("pings of an idle session") / 1000
	}},
	{"into a node, packed, Mbit/s", func(f figures, _ float64) float64 {
		return f.rate(f.at("a packed answer, hello and progress included"))
	}},
	{"out of a node, packed, Mbit/s", func(f figures, _ float64) float64 {
		status := f.at("tabs for each node") * f.at("status, for each participant and round") * 8 / 1e6 / f.at("time of a round")
		return f.rate(f.at("a packed version with its order")) + status
	}},
	{"into or out of a node, raw, Mbit/s", func(f figures, _ float64) float64 { return f.rate(f.raw()) }},
	{"first loads of the page, TB", func(f figures, tabs float64) float64 { return tabs * f.at("first load of the page") / 1e6 }},
	{"the same, Gbit/s while all open it", func(f figures, tabs float64) float64 {
		return tabs * f.at("first load of the page") * 8 / 1000 / 3600 / f.at("time in which all open the page")
	}},
	{"partial sums to the owner in a commit, MB", figures.sums},
	{"a raw version to all nodes, MB", figures.models},
	{"both on the line of one node, s", func(f figures, tabs float64) float64 { return f.line(f.sums(tabs) + f.models(tabs)) }},
	{"rows of a commit in the log, MB, at least", figures.rows},
	{"the same, in NATS messages of full size", func(f figures, tabs float64) float64 {
		return math.Ceil(1e6 * f.rows(tabs) / f.at("a NATS message, at most"))
	}},
	{"the rows to all nodes, on one line, s", func(f figures, tabs float64) float64 { return f.line(f.rows(tabs) * f.nodes(tabs)) }},
	{"metadata to the owner in a round, MB", func(f figures, tabs float64) float64 {
		return f.answers(tabs) * f.at("metadata of an answer at the owner") / 1e6
	}},
	{"the owner's core in a round, s, at most", func(f figures, tabs float64) float64 {
		return f.answers(tabs) * f.at("an answer at the owner, at most") / 1000
	}},
	{"the owner's roster, MB", func(f figures, tabs float64) float64 { return tabs * f.at("a participant in the owner's roster") / 1e6 }},
	{"a commit, ms", func(f figures, _ float64) float64 { return f.at("a commit on three replicas") }},
	// combine.NewSum leaves 62 bits for the bound's whole part and the resolution.
	{"resolution of a sum, bits after the point (at least 16)", func(f figures, tabs float64) float64 {
		return 62 - math.Ceil(math.Log2(tabs*f.at("examples of a participant, at most")*protocol.MaxDelta))
	}},
}

// tableOf returns the rows of the table below a heading, without its first two lines.
func tableOf(t *testing.T, page, heading string) (rows []string) {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/scale.md has no section %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "|") {
			rows = append(rows, line)
		}
	}
	if len(rows) < 2 {
		t.Fatalf("docs/scale.md has no table in section %q", heading)
	}
	return rows[2:]
}

// digits writes three digits of a number, or more if it is larger.
func digits(v float64) string {
	if math.IsNaN(v) {
		return unmeasured
	}
	decimals := 0
	if v != 0 && v < 100 && v != math.Trunc(v) {
		decimals = max(2-int(math.Floor(math.Log10(v))), 0)
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction == "" {
		return whole
	}
	return strings.TrimPrefix(whole, "0") + "." + fraction
}

// The plan of docs/scale.md follows from its figures and choices, and those that the program has
// are the program's.
func TestScale(t *testing.T) {
	page := string(readFile(t, scalePage))
	f := figures{t, map[string]float64{}}
	for _, heading := range []string{"Figures", "Choices"} {
		for _, row := range tableOf(t, page, heading) {
			cells := strings.Split(row, " | ")
			name := strings.TrimPrefix(cells[0], "| ")
			v, err := strconv.ParseFloat(cells[1], 64)
			if cells[1] == unmeasured {
				v, err = math.NaN(), nil
			}
			if err != nil {
				t.Fatalf("docs/scale.md: %s is %q, want a number or %q", name, cells[1], unmeasured)
			}
			f.values[name] = v
		}
	}
	model, err := learn.New(learn.MLP([]int{784}, []int{200, 200}, 10))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"sockets of a coordinator, at most": protocol.MaxSessions, "participants of a run, at most": protocol.MaxParticipants, "parameters": model.Layout().Size,
	} {
		if f.at(name) != float64(want) {
			t.Errorf("docs/scale.md: %s is %v, want %d", name, f.at(name), want)
		}
	}

	var want []string
	for _, row := range plan {
		line := "| " + row.name
		for _, tabs := range []float64{1e5, 1e6, 1e7} {
			line += " | " + digits(row.of(f, tabs))
		}
		want = append(want, line+" |\n")
	}
	got := tableOf(t, page, "The plan")
	if strings.Join(got, "") == strings.Join(want, "") {
		return
	}
	if !*updateScale {
		t.Fatalf("the plan of docs/scale.md is\n%swant (run the test with -update)\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}
	head := "| | 10^5 tabs | 10^6 tabs | 10^7 tabs |\n|---|---|---|---|\n"
	before, after, ok := strings.Cut(page, head+strings.Join(got, ""))
	if !ok {
		t.Fatalf("docs/scale.md: the plan does not begin with\n%s", head)
	}
	if err := os.WriteFile(scalePage, []byte(before+head+strings.Join(want, "")+after), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Println("wrote the plan of docs/scale.md")
}
