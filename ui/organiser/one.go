package organiser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"fedtab/api"
	"fedtab/api/v1"
)

// One is the page of a run.
type One struct {
	Detail   *v1.Detail
	Curves   v1.History
	People   v1.Page[v1.Participant]
	Many     int      // participants that are shown
	Sort     string   // of the participants
	Crew     *v1.Crew // nil: not told yet
	Crews    []crewAt // since the page was opened
	Versions v1.Versions
	Log      v1.Page[v1.LogLine]
	Kind     string // of the lines of the log that are shown; empty: all
	Lines    int    // that are shown
	Shape    v1.SessionShape
	Gone     bool // it was deleted while it was shown
	Stale    bool // rounds have come since the curves

	plots     []Chart // of Curves; nil: to be drawn
	crewChart []Chart // of Crews, one or none; nil: to be drawn
}

// Chart is a drawn Plot.
type Chart struct {
	ID, Title, SVG string
	Names          []string // of its curves, where there are several
}

// key is the class of a curve's colour in the legend.
func key(i int) string { return fmt.Sprintf("key c%d", i%len(palette)) }

// Numbers of participants and lines that are shown at first, and by how much they grow.
const (
	firstPeople = 50
	firstLines  = 50
)

// open forgets the run that was shown.
func (o *One) open() { *o = One{Many: firstPeople, Lines: firstLines} }

// OnDetail takes in how a run stands.
func (b *Board) OnDetail(d v1.Detail, err error) {
	if gone(err) {
		b.One.Gone = true
		return
	}
	if !b.OnError(err) {
		b.One.Detail, b.One.Gone = &d, false
	}
}

// gone reports whether an error says that a run is not there.
func gone(err error) bool {
	r, ok := err.(*Refusal)
	return ok && r.Status == 404
}

// OnCurves takes in the history of the run.
func (b *Board) OnCurves(c v1.History, err error) {
	if err == nil || !gone(err) && !b.OnError(err) {
		b.One.Curves, b.One.Stale, b.One.plots = c, false, nil
	}
}

// OnEvent takes in an event of the run's stream. all says that everything is to be asked for
// again.
func (b *Board) OnEvent(kind string, data []byte) (all bool) {
	o := &b.One
	switch kind {
	case "open":
		b.Lost = false
	case "state":
		live := new(api.Task)
		if json.Unmarshal(data, live) != nil || o.Detail == nil {
			return false
		}
		was := o.Detail.Live
		o.Detail.Live, o.Detail.Version = live, uint64(live.Version)
		o.Detail.TestAccuracy, o.Detail.TestLoss = live.TestAccuracy, live.TestLoss
		o.Detail.Paused = live.Paused
		return was != nil && (was.Finished != live.Finished || was.Paused != live.Paused)
	case "round":
		var r api.Round
		if json.Unmarshal(data, &r) == nil {
			o.onRound(&r)
		}
	case "crew":
		crew := new(v1.Crew)
		if json.Unmarshal(data, crew) == nil {
			o.onCrew(crew, b.Now)
		}
	case "reset":
		return true
	}
	return false
}

// crewAt is how many participants did what at a moment.
type crewAt struct {
	at   time.Time
	crew v1.Crew
}

// maxCrews bounds the moments that are kept: with more, every second is dropped.
const maxCrews = 600

// onCrew takes in what participants do now.
func (o *One) onCrew(crew *v1.Crew, now time.Time) {
	if len(o.Crews) == maxCrews {
		for i := range maxCrews / 2 {
			o.Crews[i] = o.Crews[2*i+1]
		}
		o.Crews = o.Crews[:maxCrews/2]
	}
	o.Crew, o.Crews, o.crewChart = crew, append(o.Crews, crewAt{now, *crew}), nil
}

// crewPlot is what participants have done since the page was opened.
func (o *One) crewPlot() Plot {
	zero := 0.
	p := Plot{Title: "Participants by state", X: "seconds on this page", Floor: &zero}
	if len(o.Crews) < 2 {
		return p
	}
	for _, state := range []struct {
		name string
		of   func(*v1.Crew) int
	}{
		{"training", func(c *v1.Crew) int { return c.Training }}, {"waiting", func(c *v1.Crew) int { return c.Waiting }},
		{"downloading", func(c *v1.Crew) int { return c.Downloading }}, {"uploading", func(c *v1.Crew) int { return c.Uploading }},
		{"paused", func(c *v1.Crew) int { return c.Paused }}, {"away", func(c *v1.Crew) int { return c.Away }},
	} {
		c := Curve{Name: state.name}
		any := false
		for i := range o.Crews {
			n := float64(state.of(&o.Crews[i].crew))
			any = any || n > 0
			c.X, c.Y = append(c.X, o.Crews[i].at.Sub(o.Crews[0].at).Seconds()), append(c.Y, &n)
		}
		if any {
			p.Curves = append(p.Curves, c)
		}
	}
	return p
}

// onRound takes a round into the curves: as a new one, or with its figures on the test and
// validation sets, which come later.
func (o *One) onRound(r *api.Round) {
	c := &o.Curves
	o.Stale = true
	n := len(c.Round)
	at, known := slices.BinarySearch(c.Round, uint64(r.Round))
	switch {
	case known:
		if at < len(c.TestLoss) && at < len(c.TestAccuracy) && at < len(c.TestRMSE) {
			c.TestLoss[at], c.TestAccuracy[at], c.TestRMSE[at] = r.TestLoss, r.TestAccuracy, r.TestRMSE
			o.plots = nil
		}
		if at < len(c.ValidationLoss) && at < len(c.ValidationAccuracy) && at < len(c.ValidationRMSE) {
			c.ValidationLoss[at], c.ValidationAccuracy[at], c.ValidationRMSE[at] = r.ValidationLoss, r.ValidationAccuracy, r.ValidationRMSE
		}
	case at == n && c.Run != "": // what the stream does not tell comes with the next answer
		c.Rounds++
		c.Round = append(c.Round, uint64(r.Round))
		c.At = append(c.At, last(c.At)+r.Seconds)
		c.Examples = append(c.Examples, last(c.Examples))
		c.Bytes = append(c.Bytes, last(c.Bytes)+r.BytesUp+r.BytesDown)
		c.Participants = append(c.Participants, r.Participants)
		c.TrainLoss = append(c.TrainLoss, r.TrainLoss)
		c.TestLoss, c.TestAccuracy, c.TestRMSE = append(c.TestLoss, r.TestLoss), append(c.TestAccuracy, r.TestAccuracy), append(c.TestRMSE, r.TestRMSE)
		c.ValidationLoss, c.ValidationAccuracy, c.ValidationRMSE = append(c.ValidationLoss, r.ValidationLoss), append(c.ValidationAccuracy, r.ValidationAccuracy), append(c.ValidationRMSE, r.ValidationRMSE)
		c.Rate = append(c.Rate, r.Rate)
		c.Epsilon = append(c.Epsilon, r.Epsilon)
		c.BytesUp, c.BytesDown = append(c.BytesUp, r.BytesUp), append(c.BytesDown, r.BytesDown)
		c.Seconds = append(c.Seconds, r.Seconds)
		o.plots = nil
	}
}

// last returns the last entry of a column, 0 if there is none.
func last[T any](column []T) (v T) {
	if n := len(column); n > 0 {
		v = column[n-1]
	}
	return v
}

// column returns numbers as the values of a curve.
func column[T int | int64 | float64](values []T) []*float64 {
	out := make([]*float64, len(values))
	for i := range values {
		v := float64(values[i])
		out[i] = &v
	}
	return out
}

// numbers returns integers as floating-point numbers.
func numbers[T int64 | uint64](values []T) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// curve is a curve over the rounds, as far as both have values.
func (o *One) curve(name string, values []*float64) Curve {
	n := min(len(values), len(o.Curves.Round))
	return Curve{name, numbers(o.Curves.Round[:n]), values[:n]}
}

// Charts returns the charts of the run that have something to show.
func (b *Board) Charts() []Chart {
	o := &b.One
	if o.crewChart == nil {
		o.crewChart = drawn("crew", o.crewPlot())
	}
	if o.plots != nil {
		return append(o.plots[:len(o.plots):len(o.plots)], o.crewChart...)
	}
	c := &o.Curves
	zero, one := 0., 1.
	size := func(v float64) string { return b.Lang.Size(int64(v)) }
	percent := func(v float64) string { return b.Lang.Percent(v, 1) }
	seconds := func(v float64) string { return compact(v) + " s" }
	all := []struct {
		id string
		Plot
	}{
		{"accuracy", Plot{Title: "Accuracy", Write: percent, Top: &one, Curves: []Curve{o.curve("on the test set", c.TestAccuracy), o.curve("on the validation set", c.ValidationAccuracy)}}},
		{"error", Plot{Title: "Error (RMSE)", Floor: &zero, Curves: []Curve{o.curve("on the test set", c.TestRMSE), o.curve("on the validation set", c.ValidationRMSE)}}},
		{"loss", Plot{Title: "Loss", Floor: &zero, Curves: []Curve{o.curve("on the test set", c.TestLoss), o.curve("on the validation set", c.ValidationLoss), o.curve("in training", c.TrainLoss)}}},
		{"people", Plot{Title: "Participants in the version", Floor: &zero, Curves: []Curve{o.curve("participants", column(c.Participants))}}},
		{"bytes", Plot{Title: "Bytes of a round", Floor: &zero, Write: size, Curves: []Curve{o.curve("up", column(c.BytesUp)), o.curve("down", column(c.BytesDown))}}},
		{"ratio", Plot{Title: "Raw size over what travelled", Floor: &zero, Curves: []Curve{o.curve("times smaller", c.RawRatio)}}},
		{"time", Plot{Title: "Seconds of a round", Floor: &zero, Write: seconds, Curves: []Curve{
			o.curve("whole", column(c.Seconds)), o.curve("waiting before", c.Waiting), o.curve("download", c.Download), o.curve("training", c.Training), o.curve("upload", c.Upload), o.curve("commit", c.Commit)}}},
		{"rate", Plot{Title: "Effective learning rate", Floor: &zero, Curves: []Curve{o.curve("rate", c.Rate)}}},
		{"epsilon", Plot{Title: "Epsilon of each participant", Floor: &zero, Curves: []Curve{o.curve("epsilon", c.Epsilon)}}},
		{"norm", Plot{Title: "Norms of the contributions", Floor: &zero, Curves: []Curve{o.curve("largest", c.NormMax), o.curve("median", c.NormMedian), o.curve("smallest", c.NormMin)}}},
	}
	o.plots = []Chart{}
	for i := range all {
		all[i].X = "round"
		o.plots = append(o.plots, drawn(all[i].id, all[i].Plot)...)
	}
	return b.Charts()
}

// drawn draws a chart with those of its curves that have points; none, if no curve has.
func drawn(id string, p Plot) []Chart {
	p.Curves = slices.DeleteFunc(p.Curves, func(c Curve) bool { return !(&Plot{Curves: []Curve{c}}).known() })
	if !p.known() {
		return []Chart{}
	}
	chart := Chart{ID: id, Title: p.Title, SVG: p.SVG(420, 210, false)}
	if len(p.Curves) > 1 {
		for _, c := range p.Curves {
			chart.Names = append(chart.Names, c.Name)
		}
	}
	return []Chart{chart}
}

// Run is the page of a run.
type Run struct {
	Board *Board
}

func (c *Run) one() *One { return &c.Board.One }

func (c *Run) detail() *v1.Detail {
	if d := c.one().Detail; d != nil {
		return d
	}
	return &v1.Detail{}
}

// live is how a run that is served stands.
func (c *Run) live() *api.Task {
	if l := c.detail().Live; l != nil {
		return l
	}
	return &api.Task{}
}

func (c *Run) run() *v1.Run { return &c.detail().Run }

// going reports whether orders to a run that goes on can be given.
func (c *Run) going() bool { return c.Board.May() && c.run().State == "going" && c.run().Served }

func (c *Run) paused() bool { return c.Board.May() && c.run().State == "paused" }
func (c *Run) over() bool   { return c.Board.May() && c.run().State == "over" }
func (c *Run) lasts() bool {
	return c.Board.May() && (c.run().State == "going" || c.run().State == "paused")
}

// status says what the run does now.
func (c *Run) status() string {
	r, l := c.run(), c.live()
	switch {
	case c.one().Gone:
		return ""
	case r.Run == "":
		return "Loading…"
	case r.Finished != "":
		return "It is over: " + r.Finished + "."
	case r.Paused != "":
		return "It is paused: " + r.Paused + "."
	case !r.Served:
		return "It is not served: start the coordinator with its task."
	case l.Problem != "":
		return l.Problem
	case l.Phase == api.Waiting:
		return fmt.Sprintf("It waits for participants: %d of %d are here.", l.Participants, l.Strategy.Fewest)
	case l.Phase == api.Training:
		return fmt.Sprintf("Round %s is being trained.", c.Board.Lang.Count(l.Round))
	case l.Phase == api.Committing:
		return fmt.Sprintf("Round %s is being combined.", c.Board.Lang.Count(l.Round))
	}
	return "It goes on."
}

// left says how long the run goes on, at most.
func (c *Run) left() string {
	if s := c.live().SecondsLeft; s != nil && c.run().State == "going" {
		return "at most " + c.Board.Lang.Duration(*s) + " left"
	}
	return ""
}

// privacy writes what the versions tell of each participant.
func (c *Run) privacy() string {
	p := c.detail().Privacy
	switch v := c.live().Claim; {
	case v != nil:
		return "epsilon " + c.Board.loss(v.Epsilon)
	case p != nil:
		return "epsilon " + c.Board.loss(p.Epsilon)
	}
	return ""
}

// privacyWords says what that rests on.
func (c *Run) privacyWords() string {
	v := c.live().Claim
	if v == nil {
		if p := c.detail().Privacy; p != nil {
			return p.Adjacency + " adjacency" + c.together(p.Together)
		}
		return ""
	}
	adjacency, kind := "add-remove", "noise of a tree"
	rests := "It rests on this coordinator, which sees contributions without noise, and on one tab for each person"
	if v.Distributed {
		adjacency, kind = "zero-out", "noise of the participants"
		rests = "It rests on the participants, who add the noise"
		if v.Colluding > 0 {
			rests += fmt.Sprintf(", but for %d of a round who may collude with this coordinator", v.Colluding)
		}
	}
	words := fmt.Sprintf("delta %g after %d attempts, %s adjacency; noise %g on contributions of norm %g", v.Delta, v.Releases, adjacency, v.Noise, v.Clip)
	if v.Adapt {
		words += " at first"
	}
	if v.Rate < 1 {
		words += fmt.Sprintf("; each of %d members in a round with probability %g, in secret", v.Population, v.Rate)
	}
	if v.Participations > 0 {
		who := "number of the run"
		if v.Persons {
			who = "person"
		}
		words += fmt.Sprintf("; %s, each %s in %d rounds at most", kind, who, v.Participations)
	}
	if v.Budget > 0 {
		words += fmt.Sprintf("; budget %g", v.Budget)
	}
	return words + c.together(v.Together) + ". " + rests
}

// together says what earlier runs of the task add.
func (c *Run) together(t *api.Together) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("; with %d earlier of this task: epsilon %s, delta %.3g, %s adjacency", t.Runs, c.Board.loss(t.Epsilon), t.Delta, t.Adjacency)
}

// present reports whether participants can be connected to the run.
func (c *Run) present() bool { return c.run().Served && c.run().State != "over" }

// people writes how many participants there are, by state.
func (c *Run) people() string {
	if c.present() {
		return c.Board.Lang.Count(c.live().Participants)
	}
	return c.Board.Lang.Count(int(c.run().Participants))
}

func (c *Run) crew() string {
	crew := c.one().Crew
	if !c.present() {
		return "have joined"
	}
	if crew == nil {
		return "connected"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{crew.Training, "training"}, {crew.Waiting, "waiting"}, {crew.Downloading, "downloading"}, {crew.Uploading, "uploading"},
		{crew.Paused, "paused"}, {crew.Away, "away"}, {crew.Quarantined, "in quarantine"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// bytes returns what went up and down, and how much packing saved.
func (c *Run) bytes() (up, down int64, ratio *float64) {
	if l := c.detail().Live; l != nil {
		return l.BytesUp, l.BytesDown, l.RawRatio
	}
	return c.run().BytesUp, c.run().BytesDown, nil
}

func (c *Run) moved() string {
	up, down, _ := c.bytes()
	return c.Board.Lang.Size(up + down)
}

func (c *Run) movedWords() string {
	up, down, ratio := c.bytes()
	words := c.Board.Lang.Size(up) + " up, " + c.Board.Lang.Size(down) + " down"
	if ratio != nil {
		words += ", " + c.Board.Lang.Three(*ratio) + " times smaller than raw"
	}
	return words
}

// isNumbers reports whether numbers are predicted, not classes.
func (c *Run) isNumbers() bool {
	e := c.live().Evaluation
	return e != nil && e.RMSE != nil || e == nil && c.run().TestAccuracy == nil && c.run().TestLoss != nil
}

func (c *Run) quality() string {
	if c.isNumbers() {
		if e := c.live().Evaluation; e != nil {
			return c.Board.amount(e.RMSE)
		}
	}
	return c.Board.percent(c.run().TestAccuracy)
}

func (c *Run) qualityTitle() string {
	if c.isNumbers() {
		return "RMSE"
	}
	return "Accuracy"
}

func (c *Run) evaluated() string {
	v := c.run().Evaluated
	if l := c.detail().Live; l != nil {
		v = uint64(l.Evaluated)
	}
	if v == 0 {
		return "not measured yet"
	}
	return fmt.Sprintf("of version %d, on the test set", v)
}

func (c *Run) wanted() int { return c.detail().Stop.Rounds }

// goals writes what ends the run beside rounds.
func (c *Run) goals() string {
	var parts []string
	for _, g := range c.detail().Stop.Goals {
		how := "at least"
		if g.Falls {
			how = "at most"
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", g.Words, how, compact(g.Reach)))
	}
	if len(parts) == 0 {
		return "rounds"
	}
	return "rounds, or " + strings.Join(parts, " or ")
}

func (c *Run) classes() []api.Class {
	if e := c.live().Evaluation; e != nil {
		return e.Classes[:min(len(e.Classes), api.MaxConfusion)]
	}
	return nil
}

func (c *Run) confusion() [][]int64 {
	if e := c.live().Evaluation; e != nil {
		return e.Confusion
	}
	return nil
}

// heat is the class of a cell of the confusion: how much of its row it has.
func heat(row []int64, i, k int) string {
	sum := int64(0)
	for _, n := range row {
		sum += n
	}
	if sum == 0 || row[k] == 0 {
		return "heat"
	}
	name := "wrong"
	if i == k {
		name = "right"
	}
	return fmt.Sprintf("heat %s h%d", name, min(1+4*row[k]/sum, 4))
}

// participantState is what a participant does.
func participantState(p *v1.Participant) string {
	switch {
	case p.Left:
		return "has left"
	case p.State != "":
		return p.State
	}
	return dash
}

func (c *Run) speed(p *v1.Participant) string {
	if p.Rate == nil {
		return dash
	}
	return c.Board.Lang.PerSecond(*p.Rate)
}

func quarantine(p *v1.Participant) string {
	words := fmt.Sprint(p.Rejected)
	if p.Quarantined > 0 {
		words += fmt.Sprintf("; in quarantine until %s in a row", plural(p.Quarantined, "good answer"))
	}
	return words
}

func (c *Run) lastRound(p *v1.Participant) string {
	if p.Last == 0 {
		return dash
	}
	return c.Board.Lang.Count(int(p.Last))
}

func (c *Run) peopleMore() bool { return c.one().People.Next != "" }
func (c *Run) linesMore() bool  { return c.one().Log.Next != "" }

// versions returns the versions that are kept, the newest first: a hundred, and those that
// are pinned.
func (c *Run) versions() []v1.KeptVersion {
	all := c.one().Versions.Items
	var shown []v1.KeptVersion
	for i := len(all) - 1; i >= 0; i-- {
		if len(all)-i <= 100 || all[i].Pinned {
			shown = append(shown, all[i])
		}
	}
	return shown
}

func (c *Run) keptWords() string {
	d := c.detail()
	return fmt.Sprintf("%s kept, %s of parameters in the database.", plural(d.Kept, "version"), c.Board.Lang.Size(d.KeptBytes))
}

// file is the address of a version's model.
func (c *Run) file(version any, format string) string {
	return fmt.Sprintf("%sruns/%s/models/%v?format=%s", api1, c.run().Run, version, format)
}

// records is the address of a run's rounds as a file.
func (c *Run) records(format string) string {
	return fmt.Sprintf("%sruns/%s/records?format=%s", api1, c.run().Run, format)
}

// api1 is where the API is, from the page.
const api1 = "api/v1/"

// canRollBack reports whether the run can go back to a version.
func (c *Run) canRollBack(v *v1.KeptVersion) bool {
	return c.lasts() && v.Version < c.run().Version
}

func pinWords(v *v1.KeptVersion) string {
	if v.Pinned {
		return "Unpin"
	}
	return "Pin"
}

func who(l *v1.LogLine) string {
	if l.Participant == 0 {
		return "coordinator"
	}
	return fmt.Sprintf("participant %d", l.Participant)
}

// kinds are the kinds of lines that the log can be filtered by.
func (c *Run) kinds() []string {
	all := []string{"join", "leave", "accepted", "rejected", "late", "abandoned", "commit"}
	for _, l := range c.one().Log.Items {
		all = append(all, l.Kind)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shape returns the ways that work went, but for those that it never did.
func (c *Run) shape() []v1.Shape {
	return slices.DeleteFunc(slices.Clone(c.one().Shape.Items), func(s v1.Shape) bool { return s.Count == 0 })
}
