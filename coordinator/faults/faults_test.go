package faults

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	rounds = flag.Int("rounds", 20_000, "committed rounds to go through")
	seed   = flag.Uint64("seed", 0, "go through the schedule of this seed alone, with its whole story under -v")
)

// TestFaults goes through schedule after schedule until the coordinator has
// committed so many rounds.
func TestFaults(t *testing.T) {
	if *seed != 0 {
		result, err := Run(Config{Seed: *seed, Trace: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", result)
		return
	}
	var mu sync.Mutex
	var total Result
	next, schedules := uint64(0), 0
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				if total.Rounds >= *rounds || t.Failed() {
					mu.Unlock()
					return
				}
				next++
				s := next
				mu.Unlock()
				r, err := Run(Config{Seed: s})
				if err != nil {
					t.Errorf("%v\n%s\ngo test ./coordinator/faults -run TestFaults -seed=%d -v", err, story(s), s)
					return
				}
				mu.Lock()
				schedules++
				total.Rounds += r.Rounds
				total.Crashes += r.Crashes
				total.Sockets += r.Sockets
				total.Failures += r.Failures
				total.Abandoned += r.Abandoned
				total.Accepted += r.Accepted
				total.Refused += r.Refused
				total.VirtualTime += r.VirtualTime
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	t.Logf("%d schedules: %+v", schedules, total)
	// A simulator that lets nothing happen would find nothing.
	if !t.Failed() && (total.Crashes == 0 || total.Sockets == 0 || total.Failures == 0 || total.Abandoned == 0 || total.Refused == 0) {
		t.Error("some kind of fault never happens")
	}
}

// story returns the last events of a schedule.
func story(seed uint64) string {
	var lines []string
	Run(Config{Seed: seed, Trace: func(format string, args ...any) {
		lines = append(lines, fmt.Sprintf(format, args...))
		if len(lines) > 80 {
			lines = slices.Delete(lines, 0, 40)
		}
	}})
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
