package ui

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"fedtab/api"
	"fedtab/tab"
)

// Train is this tab's part in the training: how good the model is, what happens now, the
// buttons, and who else is here. Every element is always there and hidden when not
// wanted: the renderer matches elements by position, and a button must not turn into
// another under a finger.
type Train struct {
	Page *Page
}

func (c *Train) pauseAction() string {
	if c.Page.Paused {
		return "resume"
	}
	return "pause"
}

// done and total are the progress bar's value and maximum; the bar is empty
// outside of training.
func (c *Train) done() int {
	if c.Page.Stage != StageRunning {
		return 0
	}
	return min(c.Page.Local.Done, c.total())
}

func (c *Train) total() int { return max(1, c.Page.Local.Total) }

// scored reports whether the model has been evaluated.
func (c *Train) scored() bool { return c.score() != "" }

// score is how good the newest model is: accuracy, or the typical error of a regression.
func (c *Train) score() string {
	p := c.Page
	accuracy, rmse := p.Task.TestAccuracy, p.rmse()
	switch {
	case p.Task.Numbers() && rmse != nil:
		return p.amount(rmse)
	case !p.Task.Numbers() && accuracy != nil:
		return p.Lang.Percent(*accuracy, 1)
	}
	return ""
}

func (c *Train) scoreWords() string {
	if c.Page.Task.Numbers() {
		return c.Page.say("score.error")
	}
	return c.Page.say("score.accuracy")
}

// rmse is the typical error of a regression on the test examples, nil while unknown.
func (p *Page) rmse() *float64 {
	if p.Task.Evaluation == nil {
		return nil
	}
	return p.Task.Evaluation.RMSE
}

// Size of the sparkline, in units of its own.
const (
	sparkWidth  = 100.
	sparkHeight = 30.
	sparkPoints = 60
)

// spark is the curve as the points of a line: accuracy, or the error of a regression.
func (c *Train) spark() string {
	value := accuracyOf
	if c.Page.Task.Numbers() {
		value = errorOf
	}
	_, y := c.Page.Series(value)
	if len(y) < 2 {
		return ""
	}
	if n := len(y); n > sparkPoints {
		thin := make([]float64, sparkPoints)
		for i := range thin {
			thin[i] = y[i*(n-1)/(sparkPoints-1)]
		}
		y = thin
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range y[len(y)/10:] { // the first rounds are far off, as in charts.js
		low, high = min(low, v), max(high, v)
	}
	if high == low {
		high++
	}
	var b strings.Builder
	for i, v := range y {
		px := sparkWidth * float64(i) / float64(len(y)-1)
		py := 1 + (sparkHeight-2)*(1-(min(max(v, low), high)-low)/(high-low))
		b.WriteString(strconv.FormatFloat(px, 'f', 1, 64) + "," + strconv.FormatFloat(py, 'f', 1, 64) + " ")
	}
	return strings.TrimSpace(b.String())
}

// step is one of a round's steps for this tab.
type step struct {
	words, look string
	current     any // "step" for that which happens now
}

// stepID is the id of a step's element.
func stepID(i int) string { return "step-" + strconv.Itoa(i) }

func (c *Train) expanded() string { return strconv.FormatBool(c.Page.Open["effort"]) }

// timeline is a round as this tab goes through it.
func (c *Train) timeline() []step {
	p, l := c.Page, &c.Page.Local
	now := map[tab.Activity]int{tab.Downloading: 1, tab.Training: 2, tab.Packing: 3, tab.Sending: 3, tab.Agreeing: 3, tab.Summing: 3}[l.Activity]
	words := []string{p.say("step.wait"), p.say("step.download"), p.say("step.train"), p.say("step.send")}
	switch {
	case now == 0 && p.OnHold():
		words[0] = p.say("hold")
	case now == 0 && p.Task.Phase == api.Waiting:
		words[0] = sentence(p.waitingFor())
	case now == 1 && l.Transfer != nil && l.Transfer.Total > 0:
		words[1] = p.say("step.download.share", p.Lang.Percent(float64(l.Transfer.Done)/float64(l.Transfer.Total), 0))
	case now == 2 && l.Total > 0:
		words[2] = p.say("step.train.share", p.Lang.Percent(float64(c.done())/float64(l.Total), 0))
	case now == 3 && l.Transfer != nil && l.Transfer.Up && l.Transfer.Total > 0:
		words[3] = p.say("step.send.share", p.Lang.Percent(float64(l.Transfer.Done)/float64(l.Transfer.Total), 0))
	case now == 3 && l.Activity == tab.Packing:
		words[3] = p.say("step.pack")
	case now == 3 && l.Activity == tab.Agreeing:
		words[3] = p.say("step.agree")
	case now == 3 && l.Activity == tab.Summing:
		words[3] = p.say("step.sum")
	}
	steps := make([]step, len(words))
	for i, w := range words {
		steps[i].words = w
		switch {
		case i < now:
			steps[i].look = "over"
		case i == now:
			steps[i].look, steps[i].current = "now", "step"
		}
	}
	return steps
}

// timeWords says how long the round and the run will take still.
func (c *Train) timeWords() string {
	p := c.Page
	if p.Over() || p.Stage == StageStopped {
		return ""
	}
	var parts []string
	if due := p.Local.Due; due != nil && p.Working() && *due > 0 {
		parts = append(parts, p.say("time.round", p.about(*due)))
	}
	if left := p.Task.SecondsLeft; left != nil {
		parts = append(parts, p.say("time.run", p.about(*left)))
	}
	return sentences(parts...)
}

// OutcomeWords says what has become of this tab's last answer, where that was not simply
// taken, or that a round was given up, why, and what to do; empty otherwise.
func (p *Page) OutcomeWords() string {
	o := &p.Local.Outcome
	switch {
	case p.OnHold(): // which the state says
	case p.Taking() && o.Kind == tab.Rejected:
		return p.say("outcome.rejected", o.Round, p.outcomeWhy())
	case p.Taking() && o.Kind == tab.Failed:
		return p.say("outcome.failed", o.Round, p.outcomeWhy())
	case p.Task.Abandoned != nil && !p.Over():
		return p.abandonedWords(p.Task.Abandoned)
	case p.Taking() && o.Kind == tab.Late:
		return p.say("outcome.late", o.Round)
	case p.Taking() && o.Kind == tab.Abandoned:
		return p.say("outcome.abandoned", o.Round, p.outcomeWhy())
	}
	return ""
}

// abandonedWords says why the round that is wanted was given up, and what helps.
func (p *Page) abandonedWords(a *api.Abandoned) string {
	words := p.say("outcome.abandoned", a.Round, p.phrase(a.Reason))
	switch {
	case a.Needed > 0 && a.TimeUp:
		words = p.say("outcome.short", a.Round, p.about(a.Seconds), a.Answers, a.Needed)
	case a.Needed > 0:
		words = p.say("outcome.few", a.Round, a.Answers, a.Needed)
	}
	if a.Times > 1 {
		words = sentences(words, p.say("outcome.times", a.Times))
	}
	return words
}

func (p *Page) outcomeWhy() string {
	o := &p.Local.Outcome
	return p.phrase(cmp.Or(o.Detail, o.Reason))
}

func (c *Train) outcomeLook() string {
	if c.Page.Local.Outcome.Kind == tab.Late && c.Page.Task.Abandoned == nil {
		return "note"
	}
	return "warning"
}

// PartWords says what this tab has given to the model; empty before its first
// contribution.
func (p *Page) PartWords() string {
	l := &p.Local
	switch {
	case l.Contributions == 0 && l.Connection == tab.Left && l.BytesUp > 0:
		return p.say("part.none")
	case l.Contributions == 0:
		return ""
	}
	return p.say("part", l.Contributions, l.Trained)
}

func (c *Train) joinNote() string {
	p := c.Page
	switch {
	case !p.Able():
		return p.say("join.note.lack")
	case !p.HasData():
		return p.say("join.note.data")
	case p.SeveralProblem() != "":
		return p.SeveralProblem() // its field may be folded away
	case p.Link == LinkLost:
		return p.say("join.note.away")
	case p.Local.Connection == tab.Left && p.Local.Contributions > 0:
		return p.say("join.note.again")
	}
	return p.say("join.note")
}

// shownDots is how many participants are shown as dots.
const shownDots = 60

func (c *Train) peopleWords() string {
	n := c.Page.Task.Participants
	switch {
	case n == 0:
		return c.Page.say("people.none")
	case n > shownDots:
		return c.Page.say("people.more", n, shownDots)
	}
	return c.Page.say("people", n)
}

// dots are the participants that are here: those of this tab, and those that were in the
// newest round.
func (c *Train) dots() []string {
	p := c.Page
	n := min(p.Task.Participants, shownDots)
	lit, mine := 0, 0
	if k := len(p.Rounds); k > 0 {
		lit = p.Rounds[k-1].Participants
	}
	if p.Working() {
		mine = max(1, p.Local.Participants)
	}
	looks := make([]string, n)
	for i := range looks {
		switch {
		case i < mine && i < lit:
			looks[i] = "mine-lit"
		case i < mine:
			looks[i] = "mine"
		case i < lit:
			looks[i] = "lit"
		}
	}
	return looks
}

// thanks is what a person reads when the training is over.
func (c *Train) thanks() string {
	p := c.Page
	if p.Local.Contributions > 0 {
		return p.say("thanks")
	}
	return p.say("thanks.others")
}

func (c *Train) forgetWords() string {
	if c.Page.Forgetting {
		return c.Page.say("leave.forget.sure")
	}
	return c.Page.say("leave.forget")
}

func (c *Train) effortWords() string {
	return c.Page.say("effort.share", c.Page.Lang.Percent(float64(c.Page.Effort)/100, 0))
}

// Splits reports whether participants of the task train parts of their data side by side.
func (p *Page) Splits() bool { return p.Task.Strategy.Split > 1 }

// Helpers returns how many further workers train parts for the tab's participants.
func (p *Page) Helpers() int {
	if !p.Splits() {
		return 0
	}
	return min(max(1, p.Cores), p.Task.Strategy.Split) - 1
}

// manyCores reports whether there is a choice of cores: tasks with own data train with
// one, whose rows count once, unless they train parts of them side by side.
func (c *Train) manyCores() bool {
	return c.Page.MaxCores > 1 && (c.Page.schema() == nil || c.Page.Splits())
}

// cores are the numbers of cores that can be chosen.
func (c *Train) cores() []int {
	most := maxCores
	if c.Page.Splits() {
		most = c.Page.Task.Strategy.Split
	}
	all := make([]int, max(1, min(c.Page.MaxCores, most)))
	for i := range all {
		all[i] = i + 1
	}
	return all
}

func (c *Train) coresWords() string {
	if c.Page.Splits() {
		return c.Page.say("cores.split", c.Page.Helpers()+1)
	}
	return c.Page.say("cores.note", max(1, c.Page.Cores))
}

// maxCores is how many cores a tab may use.
const maxCores = 16
