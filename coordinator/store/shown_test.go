package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"fedtab/run"
)

// Of a run with noise the log has connections and orders alone, numbered without gaps; a run
// without noise is shown as it is.
func TestShownLog(t *testing.T) {
	s := open(t, t.TempDir())
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var entries []run.LogEntry
	for i, kind := range []string{"join", "accepted", "join", "rejected", "declined", "abandoned", "dropped", "spoiled", "lost"} {
		entries = append(entries, run.LogEntry{At: at, Round: uint64(i % 2), Participant: uint32(i), Kind: kind, Detail: "3 of 5"})
	}
	for id, spec := range map[string]string{"noised": "privacy:\n    noise: 2\n", "plain": "name: x\n", "torn": "privacy: {noise: 2\n"} {
		must(t, s.CreateRun(Run{ID: id, Task: id, Spec: []byte(spec), Created: at}))
		must(t, s.Log(id, entries, run.Ledger{Traffic: run.Traffic{Up: 5, Down: 6}, Abandoned: 1}))
	}
	shown := Shown{s}
	for _, id := range []string{"noised", "torn"} {
		zero := uint64(0)
		for _, c := range []struct {
			f    LogFilter
			want []int64
		}{
			{LogFilter{}, []int64{3, 2, 1}}, {LogFilter{Before: 3, Limit: 1}, []int64{2}}, {LogFilter{Kind: "join"}, []int64{2, 1}},
			{LogFilter{Kind: "accepted"}, nil}, {LogFilter{Round: &zero}, []int64{3, 2, 1}},
		} {
			lines, err := shown.LogLines(id, c.f)
			must(t, err)
			var got []int64
			for _, l := range lines {
				got = append(got, l.ID)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: %+v has lines %v, want %v", id, c.f, got, c.want)
			}
		}
		if l, err := shown.Ledger(id); err != nil || l != (run.Ledger{Abandoned: 1}) {
			t.Errorf("%s: the ledger is %+v, %v", id, l, err)
		}
		if all, err := shown.Runs(Filter{ID: id}); err != nil || all[0].Up != 0 || all[0].Down != 0 {
			t.Errorf("%s: listed as %+v, %v", id, all, err)
		}
		for _, p := range participantsOf(t, shown, id) {
			if p != (Participant{Number: p.Number, Client: p.Client}) {
				t.Errorf("%s: a participant is %+v", id, p)
			}
		}
		r, err := shown.Reader(id)
		must(t, err)
		for _, err := range r.Traffic() {
			if !errors.Is(err, ErrWithheld) {
				t.Errorf("%s: traffic: %v, want it withheld", id, err)
			}
		}
	}
	want, err := s.LogLines("plain", LogFilter{})
	must(t, err)
	if got, err := shown.LogLines("plain", LogFilter{}); err != nil || len(got) != len(entries) || !reflect.DeepEqual(got, want) {
		t.Errorf("a run without noise has the lines %v, %v", got, err)
	}
}

func participantsOf(t *testing.T, s Shown, id string) []Participant {
	t.Helper()
	all, err := s.Participants(id, 0, -1)
	must(t, err)
	if len(all) == 0 {
		t.Fatal("no participants")
	}
	return all
}
