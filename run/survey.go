package run

import (
	"slices"
	"time"

	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/strategy"
)

// survey makes the constants that standardise the participants' own numbers, before the
// first round: totals of each participant give the means, and the squared differences from
// these the deviations. In one phase, sums of squares would cancel where a mean is large
// beside its spread.
type survey struct {
	from    []uint32 // participants, as they answered
	totals  []data.Totals
	mean    []float64
	squares map[uint32][]float64
	retry   func() // stops the timer of the next try
}

// surveyPause is the time from a survey with too few answers to the next.
const surveyPause = 5 * time.Second

// surveying reports whether the constants are still to be made. There are no rounds
// before.
func (r *Run) surveying() bool {
	return r.cfg.Own != nil && r.cfg.Own.Schema.Scale == data.FederatedScale && r.constants == nil && r.finished == ""
}

// startSurvey asks for totals once enough participants are here.
func (r *Run) startSurvey() {
	if !r.surveying() || r.paused != "" || r.enquiry != nil || r.survey.retry != nil || r.savingConstants {
		return
	}
	if n := r.ready(); n < r.fewest() {
		r.news("waiting for participants with data", "here", n, "want", r.fewest())
		return
	}
	schema := r.cfg.Own.Schema
	r.survey = survey{squares: map[uint32][]float64{}}
	r.news("survey opened", "participants", r.ready())
	r.ask(&enquiry{
		kind: protocol.OrderReport, payload: protocol.TotalsPayload, size: schema.TotalsSize(),
		take: func(participant uint32, weight uint64, block []byte) error {
			t, err := schema.ParseTotals(block)
			if err == nil && weight != t.Rows {
				err = errWeight
			}
			if err == nil {
				r.survey.from = append(r.survey.from, participant)
				r.survey.totals = append(r.survey.totals, t)
			}
			return err
		},
		done: r.surveyMeans,
	})
}

// ready returns how many members can be asked.
func (r *Run) ready() (n int) {
	for _, m := range r.roster.members {
		if m.available() && slices.Contains(m.payloads, protocol.PayloadBytes) {
			n++
		}
	}
	return n
}

// surveyMeans announces the means, and asks those that told their totals for squares.
func (r *Run) surveyMeans() {
	s := &r.survey
	if !r.surveying() || len(s.totals) < r.fewest() {
		r.surveyFailed(len(s.totals))
		return
	}
	// In the order of participants: the sums do not depend on who answered first.
	order := make([]int, len(s.from))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(int64(s.from[a]) - int64(s.from[b])) })
	from, totals := make([]uint32, len(order)), make([]data.Totals, len(order))
	for i, k := range order {
		from[i], totals[i] = s.from[k], s.totals[k]
	}
	s.from, s.totals, s.mean = from, totals, data.Mean(totals)
	if len(s.mean) == 0 {
		r.surveyDone()
		return
	}
	schema := r.cfg.Own.Schema
	r.ask(&enquiry{
		kind: protocol.OrderReport, payload: protocol.SquaresPayload, size: 8 * len(s.mean), among: s.from,
		before: &Shared{Message: &protocol.Constants{Mean: s.mean}},
		take: func(participant uint32, weight uint64, block []byte) error {
			i, ok := slices.BinarySearch(s.from, participant)
			if !ok || weight != s.totals[i].Rows {
				return errWeight
			}
			squares, err := schema.ParseSquares(block, &s.totals[i], s.mean)
			if err == nil {
				s.squares[participant] = squares
			}
			return err
		},
		done: r.surveyDone,
	})
}

// surveyDone makes the constants of those that answered both times.
func (r *Run) surveyDone() {
	s := &r.survey
	if !r.surveying() {
		return
	}
	var totals []data.Totals
	var squares [][]float64
	for i, p := range s.from {
		if of, ok := s.squares[p]; ok {
			totals, squares = append(totals, s.totals[i]), append(squares, of)
		}
	}
	if len(s.mean) == 0 { // there are no numbers to scale
		totals = s.totals
	}
	if len(totals) < r.fewest() {
		r.surveyFailed(len(totals))
		return
	}
	c := r.cfg.Own.Schema.CombineConstants(s.mean, totals, squares)
	participants := len(totals)
	rows := make([]uint64, participants)
	for i := range rows {
		rows[i] = totals[i].Rows
	}
	slices.Sort(rows)
	r.typical = float64(rows[participants/2])
	r.survey = survey{}
	r.savingConstants = true
	r.save("constants", func(j Journal) error { return j.Constants(r.cfg.ID, c) }, func() {
		r.savingConstants = false
		r.log.Info("own data is standardised", "participants", participants)
		r.know(c)
		all := &Shared{Message: r.constantsMessage()}
		for _, p := range r.roster.present {
			r.sendShared(r.roster.members[p], all)
		}
		r.notify(nil)
		if r.paused != "" {
			r.step(strategy.Paused{}) // it was told nothing before
		}
		for _, p := range slices.Clone(r.roster.present) {
			if m := r.roster.members[p]; m != nil && m.available() {
				r.step(m.joined())
			}
		}
	})
}

// surveyFailed begins the survey anew after a pause.
func (r *Run) surveyFailed(answers int) {
	if !r.surveying() {
		return
	}
	r.news("too few participants answered the survey", "answers", answers, "want", r.fewest())
	r.survey = survey{}
	r.survey.retry = r.env.AfterFunc(surveyPause, func() {
		r.survey.retry = nil
		r.startSurvey()
	})
}

// dropSurvey gives a survey up. No answer that is missing is held against a participant.
func (r *Run) dropSurvey() {
	if e := r.enquiry; e != nil && e.kind == protocol.OrderReport {
		r.enquiry = nil
		e.stop()
		for p, state := range e.asked {
			if m := r.roster.members[p]; m != nil && state == pending {
				m.unanswered = max(m.unanswered-1, 0)
			}
		}
	}
	if r.survey.retry != nil {
		r.survey.retry()
	}
	r.survey = survey{}
}

// know takes the constants over.
func (r *Run) know(c data.Constants) {
	r.constants = &c
	if r.cfg.Own.Known != nil {
		r.cfg.Own.Known(c)
	}
}

// Constants returns the constants of the participants' own data, nil if they are not known
// or there are none.
func (r *Run) Constants() *data.Constants { return r.constants }

func (r *Run) constantsMessage() *protocol.Constants {
	return &protocol.Constants{Mean: r.constants.Mean, Deviation: r.constants.Deviation}
}
