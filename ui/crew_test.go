package ui

import (
	"reflect"
	"slices"
	"testing"

	"fedtab/tab"

	"pgregory.net/rapid"
)

// Every participant is on one core, and every core has one.
func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		participants, cores := rapid.IntRange(1, 16).Draw(t, "participants"), rapid.IntRange(1, 16).Draw(t, "cores")
		first, n := shares(participants, cores)
		next := 0
		for i := range first {
			if first[i] != next || n[i] < 1 {
				t.Fatalf("core %d has %d participants from %d, want some from %d", i, n[i], first[i], next)
			}
			next += n[i]
		}
		if len(first) != cores || next != max(participants, cores) {
			t.Fatalf("%d cores have %d participants, want %d with %d", len(first), next, cores, max(participants, cores))
		}
	})
}

func TestMergedReports(t *testing.T) {
	one := tab.Report{Connection: tab.Reconnecting, Refusal: tab.Offline, Participants: 1, Numbers: []int{3}, Contributions: 2, Trained: 20, BytesUp: 5,
		Moved: []tab.Total{{Kind: "model", Messages: 1, Bytes: 7}, {Kind: "contribution", Up: true, Messages: 2, Bytes: 5}}}
	two := tab.Report{Connection: tab.Joined, Activity: tab.Training, Round: 4, Participants: 2, Numbers: []int{4, 5}, Contributions: 1, Trained: 10, BytesUp: 6, Rate: 100,
		Moved: []tab.Total{{Kind: "contribution", Up: true, Messages: 1, Bytes: 6}}}
	if got := merged([]tab.Report{one}); !reflect.DeepEqual(got, one) {
		t.Errorf("one worker: %+v, want %+v", got, one)
	}
	got := merged([]tab.Report{one, two})
	want := two
	want.Participants, want.Numbers, want.Contributions, want.Trained, want.BytesUp = 3, []int{3, 4, 5}, 3, 30, 11
	want.Moved = []tab.Total{{Kind: "model", Messages: 1, Bytes: 7}, {Kind: "contribution", Up: true, Messages: 3, Bytes: 11}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("two workers: %+v, want %+v", got, want)
	}
	// The state is that of the worker that stands best, in whatever order they report.
	states := []tab.Report{{}, {Connection: tab.Refused}, {Connection: tab.Finished}, {Connection: tab.Reconnecting}, {Connection: tab.Connecting}, {Connection: tab.Joined}, {Connection: tab.Joined, Activity: tab.Training}}
	for n := 1; n <= len(states); n++ {
		some := slices.Clone(states[:n])
		if got := merged(some); got.Connection != states[n-1].Connection || got.Activity != states[n-1].Activity {
			t.Errorf("of %d workers the state is %s, want %s", n, got.Connection, states[n-1].Connection)
		}
		slices.Reverse(some)
		if got := merged(some); got.Connection != states[n-1].Connection {
			t.Errorf("of %d workers in reverse the state is %s, want %s", n, got.Connection, states[n-1].Connection)
		}
	}
}

func TestSettings(t *testing.T) {
	s := Settings{MaxCores: 4, Effort: maxEffort, Cores: 1}
	for _, c := range []struct {
		effort, cores         string
		wantEffort, wantCores int
	}{
		{"50", "2", 50, 2}, {"", "", 50, 2}, {"abc", "x", 50, 2}, {"5", "0", 10, 1}, {"1000", "99", 100, 4}, {"-3", "-3", 10, 1},
	} {
		s.SetEffort(c.effort)
		s.SetCores(c.cores)
		if s.Effort != c.wantEffort || s.Cores != c.wantCores {
			t.Errorf("%q, %q: effort %d, %d cores, want %d, %d", c.effort, c.cores, s.Effort, s.Cores, c.wantEffort, c.wantCores)
		}
	}
	s.PauseHidden = true
	if !s.Held(true, false) || s.Held(false, true) {
		t.Error("a hidden page is not paused, or one on its battery is")
	}
	s.PauseBattery = true
	if !s.Held(false, true) || s.Held(false, false) {
		t.Error("a page on its battery is not paused, or one at rest is")
	}
}
