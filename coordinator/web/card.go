package web

import (
	"math"
	"slices"
	"sync"
	"time"

	"fedtab/api"
	"fedtab/coordinator/task"
	"fedtab/protocol"
	"fedtab/run"
)

// Card returns the study's entry of /api/tasks, as it stands now.
func (st *Study) Card() api.Card {
	s := st.Feed.State()
	v := st.view(s)
	card := api.Card{
		Name: v.Name, Title: v.Title, Description: v.Description, Translations: st.fixed.Translations,
		Join: v.Join, Phase: v.Phase, Participants: v.Participants, Fewest: v.Strategy.Fewest,
		Round: v.Round, Version: v.Version, Stop: v.Stop, Progress: v.Progress, SecondsLeft: v.SecondsLeft,
		TestAccuracy: v.TestAccuracy, Model: v.Model, Cost: v.Cost, Download: st.fixed.Download,
		Data: api.CardData{
			Summary: v.Data.Summary, Public: v.Data.Public, Own: st.Data.Own != nil, Picture: st.fixedData.Picture,
			Columns: first(st.fixedData.Columns), ClassNames: first(st.fixedData.ClassNames),
		},
	}
	if v.Evaluation != nil {
		card.TestRMSE = v.Evaluation.RMSE
	}
	return card
}

// first returns the names that a card has room for.
func first(names []string) []string { return names[:min(len(names), api.MaxShown)] }

// fix sets what does not change while the study is served. build is the identity of the
// page's files.
func (st *Study) fix(build string) {
	t := st.Task
	st.fixed = api.Fixed{Download: t.Downloads(), Build: build, Privacy: viewPrivacy(&t.Privacy)}
	for _, language := range translated(t.Title.Other(), t.Description.Other()) {
		if st.fixed.Translations == nil {
			st.fixed.Translations = map[string]api.Translation{}
		}
		st.fixed.Translations[language] = api.Translation{Title: t.Title.In(language), Description: t.Description.In(language)}
	}
	st.fixedData = api.FixedData{Samples: t.Samples(), Own: st.Data.Own}
	if e := st.Data.Encoding(); e != nil {
		for _, c := range e.Columns {
			st.fixedData.Columns = append(st.fixedData.Columns, c.Name)
		}
		if st.Data.Public {
			st.fixedData.Encoding = e
		}
	}
	if st.Data.Labels() > 0 {
		st.fixedData.ClassNames = st.Data.ClassNames()
	}
	st.fileSize = sync.OnceValue(func() int64 { return modelSize(st) })
	st.ended = make(chan struct{})
	st.end = sync.OnceFunc(func() { close(st.ended) })
	st.picture = st.drawing()
	st.fixedData.Picture = st.picture != nil
}

// translated returns the languages that either list has, once each.
func translated(title, description []string) []string {
	all := title
	for _, language := range description {
		if !slices.Contains(all, language) {
			all = append(all, language)
		}
	}
	return all
}

// recentRounds is the number of rounds that estimates are made from.
const recentRounds = 10

// progress returns which share of its rounds or its time a run has done, nil if it is
// bounded by neither, and how many seconds are left at most, nil while that is unknown.
func (st *Study) progress(s run.State) (share, left *float64) {
	if s.Finished != "" {
		one, none := 1., 0.
		return &one, &none
	}
	stop := st.Stop()
	more := func(x float64) {
		if x = min(max(x, 0), 1); share == nil || x > *share {
			share = &x
		}
	}
	less := func(seconds float64) {
		if seconds = max(seconds, 0); left == nil || seconds < *left {
			left = &seconds
		}
	}
	if stop.Rounds > 0 {
		more(float64(s.Version) / float64(stop.Rounds))
		if each := st.roundSeconds(); each != nil && s.Paused == "" {
			less(*each * (float64(stop.Rounds) - float64(s.Version)))
		}
	}
	if stop.Time > 0 && !s.Began.IsZero() {
		gone := time.Since(s.Began)
		more(gone.Seconds() / stop.Time.Seconds())
		less((stop.Time - gone).Seconds())
	}
	return share, left
}

// roundSeconds returns the mean duration of the newest rounds, nil before the first.
func (st *Study) roundSeconds() *float64 {
	rounds := st.Feed.newest(recentRounds)
	if len(rounds) == 0 {
		return nil
	}
	sum := 0.
	for i := range rounds {
		sum += max(0, rounds[i].Committed.Sub(rounds[i].Opened).Seconds()) // the clock may have been set back
	}
	sum /= float64(len(rounds))
	return &sum
}

// cost returns what a participant pays: from the newest rounds, or estimated before the
// first.
func (st *Study) cost(s run.State) api.Cost {
	c := api.Cost{RoundSeconds: st.roundSeconds()}
	if st.Data.Public {
		total := int64(0)
		for n := range st.Data.Packed.Len() {
			total += st.Data.Packed.Size(n)
		}
		c.DataBytes = total / int64(s.Participants+1)
	}
	var sent run.Traffic
	participants := int64(0)
	for _, r := range st.Feed.newest(recentRounds) {
		sent.Add(&r.Traffic)
		participants += int64(r.Participants)
	}
	if participants > 0 {
		c.BytesUp, c.BytesDown = sent.Up/participants, sent.Down/participants
		return c
	}
	c.BytesUp, c.BytesDown = RoundBytes(st.Task, st.Model.Layout().Size)
	return c
}

// RoundBytes estimates what a participant sends and is sent in a round of a task whose model
// has a number of parameters, bytes.
func RoundBytes(t *task.Task, parameters int) (up, down int64) {
	packing := t.Compress.Run(parameters)
	up, down = packed(parameters*t.Strategy.Vectors(), packing.Up, packing.Bits), packed(parameters, packing.Down, 0)
	if t.Privacy.Secure() {
		up, keys := t.Privacy.RoundBytes(parameters, t.Strategy.Fewest(parameters))
		return up + smallMessages, down + keys
	}
	return up, down
}

// smallMessages is about what the messages without parameters take of a participant in
// a round, and the headers of the others, in bytes.
const smallMessages = 200

// gridBits is about what the difference between two versions on the grid takes for a
// parameter in the first rounds, in bits (docs/compression.md, "In a run").
const gridBits = 1

// packed returns about how many bytes a packed vector takes, and the messages around
// it. bits are those for a parameter of a codec that has a rate.
func packed(parameters int, codec protocol.Codec, bits float64) int64 {
	switch {
	case bits > 0:
	case codec == protocol.CodecGrid:
		bits = gridBits
	case codec == protocol.CodecFloat16:
		bits = 16
	default:
		bits = 32
	}
	return int64(math.Ceil(float64(parameters)*bits/8)) + smallMessages
}
