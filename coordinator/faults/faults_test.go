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
	seed      = flag.Uint64("seed", 0, "run the schedule of this seed alone, with its whole trace under -v")
	kindFlag  = flag.String("scheme", "", "kind of strategy; all if it is empty")
	schedules = flag.Int("schedules", 100, "schedules of each kind of strategy")
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

// TestFaults runs schedules of every kind of strategy.
func TestFaults(t *testing.T) {
	if *seed != 0 {
		result, err := Run(Config{Kind: *kindFlag, Seed: *seed, Trace: func(when time.Duration, format string, a ...any) {
			t.Logf("%12v  %s", when.Round(time.Millisecond), fmt.Sprintf(format, a...))
		}})
		if err != nil {
			report(t, *kindFlag, err)
		}
		t.Log(result)
		return
	}
	all := Result{}
	for _, kind := range Kinds() {
		if *kindFlag != "" && *kindFlag != kind {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			total := runSchedules(t, kind)
			t.Log(total)
			all.Add(total)
			// A simulator in which nothing happens finds nothing.
			if never := missing(total, "crashes", "resumed", "sockets lost", "failed writes", "forged", "refused", "packed", "pauses"); len(never) > 0 && !t.Failed() {
				t.Errorf("never happened: %q", never)
			}
			if never := missing(total, "sums", "reveals", "records that failed", "restarts with a sum"); strings.HasPrefix(kind, securePrefix) && len(never) > 0 && !t.Failed() {
				t.Errorf("never happened: %q", never)
			}
			if never := missing(total, "noised"); (strings.HasPrefix(kind, privatePrefix) || kind == securePrefix+ofShares) && len(never) > 0 && !t.Failed() {
				t.Errorf("never happened: %q", never)
			}
			if never := missing(total, "limits reached"); (kind == privatePrefix+treeNoise || kind == securePrefix+ofShares) && len(never) > 0 && !t.Failed() {
				t.Errorf("never happened: %q", never)
			}
			if never := missing(total, "consents"); kind == securePrefix+ofMembers && len(never) > 0 && !t.Failed() {
				t.Errorf("never happened: %q", never)
			}
			if never := missing(total, "balanced"); kind == "dynamic" && len(never) > 0 && !t.Failed() {
				t.Errorf("never happened: %q", never)
			}
		})
	}
	t.Log(all)
	if never := missing(all, "halts", "rolled back", "abandoned", "differences", "outlasted", "restarted in a pause"); *kindFlag == "" && *schedules >= 50 && len(never) > 0 && !t.Failed() {
		t.Errorf("never happened: %q", never)
	}
}

// missing returns which of the named counts are 0.
func missing(r Result, names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return r[name] > 0 })
}

// runSchedules runs the schedules of a kind on all processors.
func runSchedules(t *testing.T, kind string) Result {
	total := Result{}
	var mu sync.Mutex
	next, end := *first, *first+uint64(*schedules)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				s := next
				next++
				enough := s >= end || t.Failed()
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

// Parameters travel in every way that there is: raw in three schedules of five, and
// by each codec in some of the others.
func TestPackings(t *testing.T) {
	const seeds = 300
	drawn := map[string]int{}
	for n := range uint64(seeds) {
		s := newSim(Config{Seed: n})
		if !s.packed() {
			drawn["raw"]++
			continue
		}
		drawn["up "+s.packing.Up.String()]++
		drawn["down "+s.packing.Down.String()]++
		if s.packing.Feedback {
			drawn[s.packing.Up.String()+" with feedback"]++
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
		kind := Kinds()[s%uint64(len(Kinds()))]
		trace := func() (events []string) {
			Run(Config{Seed: s, Kind: kind, Trace: func(when time.Duration, format string, a ...any) {
				events = append(events, fmt.Sprint(when, " ", fmt.Sprintf(format, a...)))
			}})
			return events
		}
		a, b := trace(), trace()
		if !slices.Equal(a, b) || len(a) == 0 {
			i := 0
			for i < min(len(a), len(b)) && a[i] == b[i] {
				i++
			}
			t.Fatalf("%s, seed %d: %d and %d events, which differ from event %d", kind, s, len(a), len(b), i)
		}
	}
}

// Without faults nothing is lost and nothing is refused: every attempt commits.
func TestNoFaults(t *testing.T) {
	for s := range uint64(100) {
		kind := Kinds()[s%uint64(len(Kinds()))]
		cfg := Config{Seed: s, Kind: kind, Rates: &Rates{}, Rounds: 5}
		if newSim(cfg).packing.Up == protocol.CodecDither {
			continue // it may take values of a small model out of bounds
		}
		r, err := Run(cfg)
		if err != nil {
			report(t, kind, err)
			continue
		}
		// A run that limits on participation keep from its rounds ends by its time, whatever is under way.
		onTime := r["outlasted"] == 0
		if r["abandoned"] > r["blamed"] || r["sockets lost"]+r["crashes"]+r["failed writes"]+r["forged"] > 0 || r["refused"] > 0 && onTime && kind != "dynamic" && kind != "fedbuff" && r["blamed"] == 0 || r["accepted"] < r["rounds"] && !strings.HasPrefix(kind, privatePrefix) {
			t.Errorf("%s, seed %d: %v", kind, s, r)
		}
	}
}

// With pauses and no faults every run makes its rounds.
func TestPauses(t *testing.T) {
	total := Result{}
	for s := range uint64(100) {
		kind := Kinds()[s%uint64(len(Kinds()))]
		r, err := Run(Config{Seed: s, Kind: kind, Rates: &Rates{Pause: .01}, Rounds: 5})
		if err != nil {
			report(t, kind, err)
			continue
		}
		total.Add(r)
	}
	if total["pauses"] < 100 || total["crashes"]+total["failed writes"] > 0 {
		t.Errorf("%v, want a pause in most schedules", total)
	}
}

// The trace of a violation ends with the newest events.
func TestViolation(t *testing.T) {
	s := newSim(Config{Seed: 7})
	for i := range 100 {
		s.note("event %d", i)
	}
	s.violated("some invariant", "it is %d", 5)
	s.violated("another", "which followed")
	v := s.violation
	if want := "seed 7 at 0s: some invariant: it is 5"; v.Error() != want {
		t.Errorf("got %q, want %q", v, want)
	}
	if n := len(v.Trace); n != 40 || !strings.HasSuffix(v.Trace[0], "event 60") || !strings.HasSuffix(v.Trace[39], "event 99") {
		t.Errorf("the trace is %q", v.Trace)
	}
}
