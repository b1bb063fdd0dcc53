package web

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fedtab/api"
	"fedtab/coordinator/account"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/run"
)

// view is how the study stands, without its rounds.
func (st *Study) view(s run.State) api.Task {
	t, parameters := st.Task, st.Model.Layout().Size
	packing := t.Compress.Run(parameters)
	v := api.Task{
		Name: t.Name, Title: t.Title.String(), Description: t.Description.String(), Join: t.Join, Run: st.Run(),
		Strategy: api.Strategy{
			Kind: t.Strategy.Kind, Summary: t.Strategy.Summary(), Fewest: t.Fewest(st.Model.Layout().Size), Fraction: t.Strategy.Fraction, Epochs: t.Strategy.Epochs,
			Batch: t.Strategy.Batch, Split: t.Strategy.Split, LR: t.Strategy.LR, ServerLR: t.Strategy.ServerLR,
		},
		Model:   api.Model{Summary: summary(st.Model.Spec()), Parameters: parameters},
		Data:    api.Data{Summary: st.Data.Summary, Public: st.Data.Public, Classes: st.Data.Labels(), Shards: len(st.Data.Shards)},
		Packing: api.Packing{Up: packing.Up.String(), Bits: packing.Bits, Down: packing.Down.String()},
		Stop:    ViewStop(st.Stop()),
		Phase:   s.Phase.String(), Round: int(s.Round), Version: int(s.Version), Participants: s.Participants, Cost: st.cost(s),
		Traffic: traffic(&s.Ledger.Traffic, parameters), RolledBack: s.Ledger.RolledBack, Finished: s.Finished, Paused: s.Paused, Problem: s.Problem(),
	}
	v.Progress, v.SecondsLeft = st.progress(s)
	v.Claim = viewClaim(t, s.Spent, st.earlier.Load())
	if s.Awaited > 0 {
		v.Awaited, v.AwaitedUntil = s.Awaited, s.AwaitedUntil.UTC().Format(time.RFC3339)
	}
	if a := s.Abandoned; a != nil {
		v.Abandoned = &api.Abandoned{
			Round: int(a.Round), Times: a.Times, Seconds: a.After.Seconds(), Reason: a.Reason,
			Answers: a.Few.Answers, Asked: a.Few.Asked, Needed: a.Few.Needed, TimeUp: a.Few.TimeUp,
		}
	}
	if s.Survey != nil {
		v.Survey = &api.Survey{Ready: s.Survey.Ready, Fewest: s.Survey.Fewest}
	}
	if e := s.Evaluated; e != nil {
		v.Evaluation = account.Evaluation(e, st.Data.ClassNames(), st.Data.Target())
		v.Evaluated, v.TestLoss, v.TestAccuracy = v.Evaluation.Version, v.Evaluation.Loss, v.Evaluation.Accuracy
	}
	return v
}

// whole adds what events leave out to a view in JSON.
func (st *Study) whole(view []byte) []byte {
	const data = `"data":{` // never part of a string: quotes in one are escaped
	if inner := inside(st.fixedData); inner != nil {
		view = bytes.Replace(view, []byte(data), fmt.Appendf(nil, `%s%s,`, data, inner), 1)
	}
	if inner := inside(st.fixed); inner != nil {
		view = fmt.Appendf(nil, "{%s,%s", inner, view[1:])
	}
	return view
}

// inside returns the members of a struct in JSON, nil if there are none.
func inside(v any) []byte {
	b := encode(v)
	if len(b) == len("{}") {
		return nil
	}
	return b[1 : len(b)-1]
}

func (st *Study) viewRound(r *run.RoundRecord) api.Round {
	return ViewRound(r, st.Model.Layout().Size)
}

// ViewRound is a round of a model with the given number of parameters.
func ViewRound(r *run.RoundRecord, parameters int) api.Round {
	return api.Round{
		Round: int(r.Round), Participants: r.Participants, TrainLoss: run.Finite(&r.TrainLoss),
		Test:    account.Test(r.Test, r.Validation),
		Traffic: traffic(&r.Traffic, parameters),
		Rate:    run.Finite(&r.Rate), Seconds: max(0, r.Committed.Sub(r.Opened).Seconds()), // the clock may have been set back
		Epsilon: account.Epsilon(r.Spent),
	}
}

// viewPrivacy has what a task says of privacy.
func viewPrivacy(p *task.Privacy) api.Privacy {
	if !p.Secure() {
		return api.Privacy{Aggregation: api.Plain}
	}
	return api.Privacy{
		Aggregation: api.Secure, Min: p.Min, Max: p.Max, Dropout: p.Dropout, Corrupt: p.Corrupt,
		Bits: p.Bits, Subset: p.Subset, Groups: p.Groups, Members: p.Members != "",
	}
}

// viewClaim returns what the versions of a task tell of its participants, after earlier runs; nil
// without noise.
func viewClaim(t *task.Task, s *run.Spent, earlier *api.Together) *api.Claim {
	p := &t.Privacy
	if !p.Differential() {
		return nil
	}
	v := &api.Claim{
		Epsilon: new(float64), Delta: p.Delta, Budget: p.Epsilon, Noise: p.Noise, Clip: p.Clip, Adapt: p.Adapt, Rate: t.ClaimedRate(), Population: p.Population,
		Participations: p.Participations, Persons: t.Persons(), Distributed: p.Secure(),
	}
	if s != nil {
		v.Epsilon, v.Releases = account.Epsilon(s), int(s.Releases)
	}
	if p.Secure() {
		v.Colluding = p.Colluding()
	}
	if earlier != nil {
		v.Together = account.With(earlier, s, task.Adjacency(p.Aggregation))
	}
	return v
}

// ViewStop has a run's stop conditions.
func ViewStop(s run.Stop) api.Stop {
	v := api.Stop{Rounds: s.Rounds, Seconds: s.Time.Seconds(), Goals: []api.Goal{}}
	for _, g := range s.Goals {
		v.Goals = append(v.Goals, api.Goal{Metric: string(g.Metric), Class: g.Name, Words: g.String(), Reach: g.Reach, Falls: g.Metric.Falls()})
	}
	return v
}

// traffic is a byte account of a model with the given number of parameters.
func traffic(t *run.Traffic, parameters int) api.Traffic {
	d := t.Density(parameters)
	v := api.Traffic{
		BytesUp: t.Up, BytesDown: t.Down, ModelsUp: t.ModelsUp, ModelsDown: t.ModelsDown,
		BitsUp: d.BitsUp, BitsDown: d.BitsDown, RawRatio: d.RawRatio, Kinds: map[string]api.Kind{},
	}
	for k, n := range t.Kinds {
		if n != (run.KindTraffic{}) {
			v.Kinds[run.KindName(k)] = api.Kind(n)
		}
	}
	return v
}

// summary writes a model in one line: 784-200-200-10, ReLU, softmax, or the chain
// of its layers.
func summary(s learn.Spec) string {
	parts := []string{strconv.Itoa(s.Features())}
	relu := false
	for i, l := range s.Layers {
		last := i == len(s.Layers)-1
		if l.Kind != learn.Dense || !last && l.Activation != learn.ReLU {
			return s.String()
		}
		parts = append(parts, strconv.Itoa(l.Units))
		relu = relu || l.Activation == learn.ReLU
	}
	words := strings.Join(parts, "-")
	if relu {
		words += ", ReLU"
	}
	return words + ", " + s.Loss.String()
}
