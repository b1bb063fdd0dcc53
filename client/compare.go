package client

import (
	"errors"
	"fmt"
	"slices"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/tab"
)

// Comparison says what a person gains by taking part, by the client's own holdout. Its
// figures stay with the client; those that are not known yet are nil.
type Comparison struct {
	Round  uint64         // newest whose answer was compared
	Before *learn.Metrics // of the client's own answer, before it is combined
	After  *Evaluation    // of the newest version that was evaluated
	Alone  *learn.Metrics // of a model that never saw another participant's, and was trained as often
	Rounds int            // for how many answers' worth Alone was trained

	Personal        *learn.Metrics // of the personal model
	PersonalVersion uint64         // that it was trained from
}

// comparing is work that a client does for its own person when there is no other.
type comparing struct {
	jobs      []job
	begun     bool // of the first job
	fit       *learn.Fit
	evaluator learn.Evaluator
	alone     []float32
	personal  []float32
	last      *protocol.Order // how to train
	result    Comparison
}

// job is one thing to do: to train params, or to evaluate them.
type job struct {
	params []float32
	train  *learn.FitConfig // nil: evaluate
	done   func(learn.Metrics)
}

// maxJobs bounds the answers that wait to be compared: a client that has no time between
// orders compares only some.
const maxJobs = 4

// Comparison returns what is known so far.
func (c *Client) Comparison() Comparison {
	r := c.compare.result
	r.After = c.evaluated
	return r
}

// compareAnswer has the answer of an order compared, whose trained parameters are local.
func (c *Client) compareAnswer(local []float32) {
	o, s := c.order, &c.compare
	s.last = o
	if !c.cfg.Compare || o.Kind != protocol.OrderFit || c.own.test == nil || c.own.test.Len() == 0 || len(s.jobs) >= maxJobs {
		return
	}
	if s.alone == nil {
		s.alone = slices.Clone(c.cfg.Models.Initial(c.model, c.welcome.Seed))
	}
	cfg := FitOf(o)
	cfg.Prox = 0
	if base := c.base; o.Base > 0 && (c.evaluated == nil || c.evaluated.Version < o.Base) { // nobody has asked for it
		s.jobs = append(s.jobs, job{params: base, done: func(m learn.Metrics) {
			if c.evaluated == nil || c.evaluated.Version < o.Base {
				c.evaluated = &Evaluation{Version: o.Base, Metrics: m}
			}
		}})
	}
	s.jobs = append(s.jobs,
		job{params: slices.Clone(local), done: func(m learn.Metrics) { s.result.Before, s.result.Round = &m, o.Round }},
		job{params: s.alone, train: &cfg, done: func(learn.Metrics) { s.result.Rounds++ }},
		job{params: s.alone, done: func(m learn.Metrics) { s.result.Alone = &m }})
}

// Personalise begins to train a model of the person's own: the newest version that is at
// hand, trained further on the person's data alone. Work does it when there is no other
// work; Personal has it then. The error says what is missing.
func (c *Client) Personalise() error {
	s := &c.compare
	switch {
	case c.params == nil || c.version == 0:
		return errors.New("there is no version yet")
	case s.last == nil || c.own.train == nil:
		return errors.New("the tab has not trained yet")
	}
	params, version := slices.Clone(c.params), c.version
	cfg := FitOf(s.last)
	cfg.Prox, cfg.SumOnly, cfg.Steps, cfg.Epochs = 0, false, 0, max(cfg.Epochs, 3)
	s.jobs = append(s.jobs, job{params: params, train: &cfg, done: func(learn.Metrics) {
		s.personal, s.result.PersonalVersion, s.result.Personal = params, version, nil
		if c.own.test != nil && c.own.test.Len() > 0 {
			s.jobs = append(s.jobs, job{params: params, done: func(m learn.Metrics) { s.result.Personal = &m }})
		}
	}})
	return nil
}

// Personal returns the personal model, which the caller must not write to, and the version
// that it was trained from; nil if there is none.
func (c *Client) Personal() (params []float32, version uint64) {
	return c.compare.personal, c.compare.result.PersonalVersion
}

// Alone returns the model that was trained on the person's data alone, which the caller must
// not write to and which is trained further with the next answer, and for how many answers'
// worth it was; nil if there is none.
func (c *Client) Alone() (params []float32, rounds int) {
	s := &c.compare
	if s.result.Alone == nil {
		return nil, 0
	}
	return s.alone, s.result.Rounds
}

// Model returns a model that the client has, which the caller must not write to and which
// holds until the next call of another method, and the version that it is or was trained
// from, of Alone how often it was; nil if there is none.
func (c *Client) Model(which tab.Which) (params []float32, version uint64) {
	switch which {
	case tab.Newest:
		return c.params, c.version
	case tab.OwnAnswer:
		if local := c.Local(); local != nil {
			return local, c.version
		}
		return c.answer, c.answered
	case tab.Alone:
		params, rounds := c.Alone()
		return params, uint64(rounds)
	case tab.Personal:
		return c.Personal()
	}
	return nil, 0
}

// Confusion returns what the newest version that was evaluated on the client's own hold-out
// takes for what. It has no examples if none was, or numbers are predicted.
func (c *Client) Confusion() tab.Confusion {
	e := c.evaluated
	if e == nil || e.Classes() == 0 || c.own.Own == nil {
		return tab.Confusion{}
	}
	n := e.Classes()
	x := tab.Confusion{Version: int(e.Version), Examples: e.Examples, Classes: c.own.Schema.Classes(), Matrix: make([][]int, n)}
	for i, count := range e.Confusion {
		x.Matrix[i/n] = append(x.Matrix[i/n], int(count))
	}
	return x
}

// Compares reports whether there is work for the person alone.
func (c *Client) Compares() bool { return len(c.compare.jobs) > 0 && c.tab != protocol.TabPaused }

// comparison works for the person for a slice.
func (c *Client) comparison(steps int) {
	s := &c.compare
	j := s.jobs[0]
	if !s.begun {
		if err := c.beginJob(j); err != nil { // the data fitted the model, so the order does not
			c.progress.LastError = fmt.Sprintf("comparison: %v", err)
			s.jobs = nil
			return
		}
		s.begun = true
	}
	if j.train == nil {
		if !s.evaluator.Run(max(1, steps/8)) {
			return
		}
	} else if done, err := s.fit.Run(steps); err != nil {
		s.jobs, s.begun, s.alone = nil, false, nil // it has diverged; the next answer begins anew
		return
	} else if !done {
		return
	}
	s.jobs, s.begun = s.jobs[1:], false
	j.done(s.evaluator.Metrics())
}

func (c *Client) beginJob(j job) error {
	s := &c.compare
	if j.train == nil {
		return s.evaluator.Start(c.model, j.params, c.own.test)
	}
	if s.fit == nil {
		s.fit = learn.NewFit(c.model)
	}
	return s.fit.Start(j.params, c.own.train, *j.train)
}
