package faults

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/protocol"
)

var (
	rounds    = flag.Int("rounds", 20_000, "committed rounds to go through")
	seed      = flag.Uint64("seed", 0, "go through the schedule of this seed alone, with its whole story under -v")
	scheme    = flag.String("scheme", "", "kind of strategy; TestFaults goes through fedavg if it is empty")
	schedules = flag.Int("schedules", 100, "schedules of every kind to go through in TestFaultsOfEveryStrategy")
	first     = flag.Uint64("first", 1, "seed of the first schedule")
)

// report fails a test with all that is known of a violation.
func report(t *testing.T, kind string, err error) {
	t.Helper()
	var v *Violation
	if !errors.As(err, &v) {
		t.Error(err)
		return
	}
	t.Errorf("%v\n%s\nTo repeat it:\n\tgo test ./coordinator/faults -run 'TestFaults$' -scheme=%s -seed=%d -v", v, strings.Join(v.Trace, "\n"), kind, v.Seed)
}

// TestFaults goes through schedule after schedule until so many rounds have been
// committed.
func TestFaults(t *testing.T) {
	if *seed != 0 {
		result, err := Run(Config{Kind: *scheme, Seed: *seed, Trace: func(when time.Duration, format string, a ...any) {
			t.Logf("%12v  %s", when.Round(time.Millisecond), fmt.Sprintf(format, a...))
		}})
		if err != nil {
			report(t, *scheme, err)
		}
		t.Logf("%+v", result)
		return
	}
	total := goThrough(t, *scheme, func(r Result) bool { return r.Rounds >= *rounds })
	t.Logf("%+v", total)
	// A simulator that lets nothing happen would find nothing.
	if !t.Failed() && (total.Crashes == 0 || total.Resumed == 0 || total.Sockets == 0 || total.Failures == 0 ||
		total.Abandoned == 0 || total.Refused == 0 || total.RolledBack == 0 || total.Calmed == 0 || total.Packed == 0 || total.Differences == 0) {
		t.Errorf("some kind of fault never happens: %+v", total)
	}
}

// goThrough goes through schedule after schedule of a kind until it is enough.
func goThrough(t *testing.T, kind string, done func(Result) bool) Result {
	var mu sync.Mutex
	var total Result
	next := *first
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				s := next
				next++
				enough := done(total) || t.Failed()
				mu.Unlock()
				if enough {
					return
				}
				r, err := Run(Config{Kind: kind, Seed: s})
				if err != nil {
					report(t, kind, err)
					return
				}
				mu.Lock()
				total.Add(r)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return total
}

// TestFaultsOfEveryStrategy goes through so many schedules of every kind of
// strategy.
func TestFaultsOfEveryStrategy(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind, func(t *testing.T) {
			total := goThrough(t, kind, func(r Result) bool { return r.Schedules >= *schedules })
			t.Logf("%+v", total)
			if !t.Failed() && (total.Crashes == 0 || total.Resumed == 0 || total.Sockets == 0 || total.Failures == 0 || total.Refused == 0 || total.Packed == 0) {
				t.Errorf("some kind of fault never happens: %+v", total)
			}
			if kind == "dynamic" && !t.Failed() && total.Balanced == 0 {
				t.Errorf("no violation is ever resolved by balancing: %+v", total)
			}
		})
	}
}

// Parameters travel in every way that there is: raw in three schedules of five, and
// by each codec in some of the others.
func TestPackings(t *testing.T) {
	const seeds = 300
	drawn := map[string]int{}
	for s := range uint64(seeds) {
		w := newWorld(Config{Seed: s})
		p := w.scheme.Packing
		if !w.packed() {
			drawn["raw"]++
			continue
		}
		drawn["up "+p.Up.String()]++
		drawn["down "+p.Down.String()]++
		if p.Feedback {
			drawn[p.Up.String()+" with feedback"]++
		}
	}
	for _, c := range compress.Codecs() {
		name := c.String()
		if rated := c == protocol.CodecDeadzone || c == protocol.CodecDither; rated && drawn[name+" with feedback"] == 0 || drawn["up "+name]+drawn["down "+name] == 0 {
			t.Errorf("no schedule has %v, or none with feedback: %v", c, drawn)
		}
	}
	if raw := drawn["raw"]; raw < seeds/2 || raw > seeds*7/10 {
		t.Errorf("%d of %d schedules are raw, want about three in five", raw, seeds)
	}
}

// One seed gives one schedule, event for event.
func TestSameSeed(t *testing.T) {
	for s := range uint64(20) {
		tell := func() (story []string) {
			Run(Config{Seed: s, Trace: func(when time.Duration, format string, a ...any) {
				story = append(story, fmt.Sprint(when, " ", fmt.Sprintf(format, a...)))
			}})
			return story
		}
		a, b := tell(), tell()
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("seed %d, event %d: %q, and then %q", s, i, a[i], b[i])
			}
		}
		if len(a) != len(b) || len(a) == 0 {
			t.Fatalf("seed %d: %d events, and then %d", s, len(a), len(b))
		}
	}
}

// Without faults nothing is lost and nothing is refused: every attempt commits.
func TestNoFaults(t *testing.T) {
	for s := range uint64(100) {
		r, err := Run(Config{Seed: s, Chances: &Chances{}, Rounds: 5})
		if err != nil {
			report(t, "", err)
			continue
		}
		if r.Abandoned+r.Refused+r.Sockets+r.Crashes+r.Failures > 0 || r.Accepted < r.Rounds {
			t.Errorf("seed %d: %+v", s, r)
		}
	}
}

// The trace of a violation ends with what led to it.
func TestViolationTellsItsStory(t *testing.T) {
	w := newWorld(Config{Seed: 7})
	for i := range 100 {
		w.note("event %d", i)
	}
	w.violated("some invariant", "it is %d", 5)
	w.violated("another", "which came of it")
	v := w.violation
	if want := "seed 7 at 0s: some invariant: it is 5"; v.Error() != want {
		t.Errorf("got %q, want %q", v, want)
	}
	story := slices.Clone(v.Trace)
	if len(story) != 40 || !strings.HasSuffix(story[0], "event 60") || !strings.HasSuffix(story[39], "event 99") {
		t.Errorf("the trace is %q", story)
	}
}
