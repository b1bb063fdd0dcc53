// Package hostile attacks a coordinator over real sockets and measures what honest
// participants lose by it. docs/threats.md says who may attack, what holds and what
// does not; every case here belongs to a line of it.
//
// A case has a world: a coordinator, a crew of honest participants, and addresses for
// attackers. Worlds are child processes with a task and flags of the case's choice, or
// one coordinator that is running already. Cases that do not disturb each other share
// a world; a case that measures has one of its own, and measures its baseline there.
//
// Breaches of the protocol and lies in answers are those of package hubtest, which
// tests of the hub run in virtual time.
package hostile

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Case is one attack.
type Case struct {
	Name   string // CATEGORY/NAME, without spaces
	About  string // what it attacks
	Needs  string // what a coordinator that is running does not have; empty: nothing
	Long   bool   // part of the long form only
	World  *Setting
	Attack func(t *T)
}

// Options say what to attack.
type Options struct {
	URL     string         // of a running coordinator's WebSocket; empty starts coordinators
	Long    bool           // cases of the long form, and longer runs
	Only    *regexp.Regexp // names of the cases to run; nil runs all
	Command []string       // of a coordinator: program and first arguments; `serve` and its flags follow
	Out     io.Writer      // one line a case
	Log     io.Writer      // what the coordinators log
}

// Time limits of a case. On an idle machine the short form's longest takes a minute.
const (
	caseTime     = 5 * time.Minute
	longCaseTime = 20 * time.Minute
)

// Run runs the cases and returns how many there were, skipped ones included, and how
// many failed. An error means that they could not be run.
func (o Options) Run(ctx context.Context) (cases, failed int, err error) {
	if o.URL != "" { // once, rather than in every case
		if err := new(World).attach(ctx, o.URL); err != nil {
			return 0, 0, fmt.Errorf("hostile: --url: %w", err)
		}
	}
	s := &suite{Options: o, slots: semaphore.NewWeighted(slots), accuracies: map[string]func() (float64, error){}}
	var worlds []*Setting
	byWorld := map[*Setting][]Case{}
	for _, c := range Cases() {
		switch {
		case o.Only != nil && !o.Only.MatchString(c.Name):
			continue
		case o.URL != "" && c.Needs != "":
			s.print("skip", c.Name, "needs "+c.Needs)
			continue
		case c.Long && !o.Long:
			s.print("skip", c.Name, "part of --long")
			continue
		}
		if byWorld[c.World] == nil {
			worlds = append(worlds, c.World)
		}
		byWorld[c.World] = append(byWorld[c.World], c)
	}
	var wait sync.WaitGroup
	for _, w := range worlds {
		if w.Shared {
			wait.Go(func() { s.together(ctx, w, byWorld[w]) })
			continue
		}
		for _, c := range byWorld[w] {
			wait.Go(func() { s.alone(ctx, c) })
		}
	}
	wait.Wait()
	return s.cases, s.failed, ctx.Err()
}

// slots are what the worlds that run at one time may take together. A world whose
// participants mostly wait takes 1, one that keeps the processors busy more.
const slots = 16

type suite struct {
	Options
	slots *semaphore.Weighted

	mu            sync.Mutex
	cases, failed int
	accuracies    map[string]func() (float64, error) // of runs without a liar, by task
}

func (s *suite) print(verdict, name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cases++
	if verdict == "FAIL" {
		s.failed++
	}
	fmt.Fprintf(s.Out, "%-4s %s %s\n", verdict, name, text)
}

// report prints the line of a case.
func (s *suite) report(name string, t *T) {
	verdict := "ok"
	if t.failed() {
		verdict = "FAIL"
	}
	s.print(verdict, name, t.text())
}

// alone runs a case in a world of its own.
func (s *suite) alone(ctx context.Context, c Case) {
	if s.slots.Acquire(ctx, c.World.slots()) != nil {
		return
	}
	defer s.slots.Release(c.World.slots())
	t := s.attack(ctx, c, nil)
	if ctx.Err() == nil {
		s.report(c.Name, t)
	}
}

// sharers is how many cases run side by side in a shared world.
const sharers = 16

// together runs cases side by side in one world, and then says what the crew has
// lost by them.
func (s *suite) together(ctx context.Context, setting *Setting, cases []Case) {
	if s.slots.Acquire(ctx, setting.slots()) != nil {
		return
	}
	defer s.slots.Release(setting.slots())
	t := s.run(ctx, setting.Name, setting, nil, func(t *T) {
		before := t.Baseline()
		began, first := time.Now(), t.World.Crew.Version()
		beside := semaphore.NewWeighted(sharers)
		var wait sync.WaitGroup
		for _, c := range cases {
			if beside.Acquire(t.Context(), 1) != nil {
				break
			}
			wait.Go(func() {
				defer beside.Release(1)
				if one := s.attack(t.Context(), c, t.World); t.Context().Err() == nil {
					s.report(c.Name, one)
				}
			})
		}
		wait.Wait()
		t.Pause(baselineTime - time.Since(began)) // few rounds are no measure
		rate := float64(t.World.Crew.Version()-first) / time.Since(began).Minutes()
		t.AtLeast("honest rounds", 100*rate/before, setting.Share, "%")
		t.honestUnharmed()
	})
	if ctx.Err() == nil {
		s.report("honest/beside-"+setting.Name, t)
	}
}

// attack runs a case, in a world that it shares or in one of its own (nil).
func (s *suite) attack(ctx context.Context, c Case, w *World) *T {
	return s.run(ctx, c.Name, c.World, w, c.Attack)
}

// run calls f with a T, in a world that is there or in one that it makes and ends.
func (s *suite) run(ctx context.Context, name string, setting *Setting, w *World, f func(t *T)) *T {
	limit := caseTime
	if s.Long || setting.Shared && w == nil { // the latter bounds all of its cases
		limit = longCaseTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := &T{ctx: ctx, suite: s, setting: setting, World: w}
	t.do(func() {
		if w == nil && setting.Task != "" {
			var err error
			if t.World, err = s.open(ctx, setting); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			t.Cleanup(t.World.Close)
		}
		f(t)
	})
	return t
}
