package web

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"fedtab/api"
	"fedtab/coordinator/task"
	"fedtab/protocol"
	"fedtab/run"
)

// cards returns what /api/tasks answers.
func cards(t *testing.T, url string) (all []api.Card) {
	t.Helper()
	_, b := get(t, url+"/api/tasks")
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return all
}

func TestCard(t *testing.T) {
	st, s := testStudy(t)
	card := cards(t, s.URL)[0]
	if card.Translations["de"].Title != "Handgeschriebene Ziffern" || card.Description == "" || !card.Data.Public || card.Data.Own || !card.Data.Picture || !card.Download {
		t.Errorf("%+v", card)
	}
	if len(card.Data.ClassNames) != 10 || card.Data.ClassNames[9] != "9" || card.Data.Columns != nil {
		t.Errorf("classes %v, columns %v, want ten digits and no columns", card.Data.ClassNames, card.Data.Columns)
	}
	size := int64(0)
	for n := range st.Data.Packed.Len() {
		size += st.Data.Packed.Size(n)
	}
	// 199,210 parameters at .9 bits up, and 1 down.
	if c := card.Cost; c.DataBytes != size || c.BytesUp != 22412+smallMessages || c.BytesDown != 24902+smallMessages || c.RoundSeconds != nil {
		t.Errorf("estimated cost %+v of %d bytes of shards", c, size)
	}

	st.Feed.Publish(run.Update{
		State: run.State{Phase: protocol.PhaseTraining, Round: 2, Version: 1, Participants: 3},
		Round: &run.RoundRecord{Round: 1, Participants: 2, Opened: time.Unix(100, 0), Committed: time.Unix(104, 0), Traffic: run.Traffic{Up: 60, Down: 80}},
	})
	card = cards(t, s.URL)[0]
	if c := card.Cost; c.DataBytes != size/4 || c.BytesUp != 30 || c.BytesDown != 40 || c.RoundSeconds == nil || *c.RoundSeconds != 4 {
		t.Errorf("cost of a round %+v", c)
	}
	if card.Progress == nil || *card.Progress != .01 || card.SecondsLeft == nil || *card.SecondsLeft != 99*4 {
		t.Errorf("progress %v, seconds left %v, want .01 and 396", card.Progress, card.SecondsLeft)
	}
}

// A card names the first columns of a table, whoever has it.
func TestCardsOfTables(t *testing.T) {
	_, public := studyOf(t, "anes96")
	if c := cards(t, public.URL)[0].Data; len(c.Columns) != 9 || len(c.ClassNames) != 2 || c.Own || c.Picture {
		t.Errorf("a public table: %+v", c)
	}
	_, own := studyOf(t, "own-vote")
	if c := cards(t, own.URL)[0].Data; len(c.Columns) == 0 || len(c.Columns) > api.MaxShown || !c.Own || c.Public {
		t.Errorf("own tables: %+v", c)
	}
}

func TestProgress(t *testing.T) {
	rounds := func(n int, each time.Duration) (all []run.RoundRecord) {
		for i := range n {
			all = append(all, run.RoundRecord{Round: uint64(i + 1), Opened: time.Unix(0, 0), Committed: time.Unix(0, 0).Add(each)})
		}
		return all
	}
	none := math.NaN()
	now := time.Now()
	for _, test := range []struct {
		name        string
		stop        string
		state       run.State
		rounds      []run.RoundRecord
		share, left float64 // NaN: null
	}{
		{"nothing yet", "rounds: 10", run.State{}, nil, 0, none},
		{"rounds", "rounds: 10", run.State{Version: 4}, rounds(4, 5*time.Second), .4, 30},
		{"the newest rounds count", "rounds: 30", run.State{Version: 20}, append(rounds(10, time.Hour), rounds(10, time.Second)...), 2. / 3, 10},
		{"time", "time: 100s", run.State{Began: now.Add(-25 * time.Second)}, rounds(3, time.Second), .25, 75},
		{"time before the start", "time: 100s", run.State{}, nil, none, none},
		{"rounds before time", "{rounds: 10, time: 1000s}", run.State{Version: 4, Began: now}, rounds(4, 5*time.Second), .4, 30},
		{"time before rounds", "{rounds: 1000, time: 100s}", run.State{Version: 4, Began: now.Add(-50 * time.Second)}, rounds(4, 5*time.Second), .5, 50},
		{"a goal alone", "accuracy: .9", run.State{Version: 4}, rounds(4, time.Second), none, none},
		{"finished", "accuracy: .9", run.State{Version: 4, Finished: "accuracy"}, nil, 1, 0},
		{"beyond its time", "time: 100s", run.State{Began: now.Add(-time.Hour)}, nil, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			tk, err := task.Parse("x.yaml", []byte("name: small\nmodel: {kind: mlp}\ndata: {source: anes96}\nstrategy: {kind: fedavg, lr: 0.5}\n"), "stop="+braced(test.stop))
			if err != nil {
				t.Fatal(err)
			}
			st, _ := serveStudy(t, tk)
			st.Feed.mu.Lock()
			st.Feed.rounds = test.rounds
			st.Feed.mu.Unlock()
			if s := &test.state; !s.Began.IsZero() {
				s.Began = s.Began.Add(time.Since(now)) // what the test has taken so far does not count
			}
			share, left := st.progress(test.state)
			within := func(got *float64, want float64) bool {
				if got == nil || math.IsNaN(want) {
					return got == nil && math.IsNaN(want)
				}
				return math.Abs(*got-want) <= .01*max(1, want)+1e-9
			}
			if !within(share, test.share) || !within(left, test.left) {
				t.Errorf("progress %v, seconds left %v, want %v and %v", deref(share), deref(left), test.share, test.left)
			}
		})
	}
}

func braced(fields string) string {
	if fields[0] == '{' {
		return fields
	}
	return "{" + fields + "}"
}

func deref(x *float64) any {
	if x == nil {
		return nil
	}
	return *x
}
