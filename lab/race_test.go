package lab

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"fedtab/words"
)

// race opens the race at an address, and computes what it shows.
func race(t *testing.T, query string) (*Machine, *racePage) {
	t.Helper()
	m := Find("race").Open(query)
	if m.broken {
		t.Fatalf("%s is not possible", query)
	}
	for m.Work() {
	}
	return m, m.page.(*racePage)
}

// Whatever a person chooses is possible: no scheme is refused, and all of them make versions.
func TestEveryRaceIsPossible(t *testing.T) {
	sheet := Find("race")
	for _, data := range sheet.Setting("data").Values {
		for _, model := range sheet.Setting("model").Values {
			for _, clients := range sheet.Setting("clients").Values {
				for _, combine := range sheet.Setting("combine").Values {
					for scheme := 1; scheme < len(contests); scheme++ {
						m := sheet.Open(fmt.Sprintf("data=%v&model=%v&clients=%v&combine=%v&lane2=0&lane3=0&lane4=0&lane5=0&skew=0.1&liars=2", data, model, clients, combine))
						if m.broken {
							t.Fatal("the settings are not possible")
						}
						if float64(scheme) > mostContest(m.state) {
							continue // is not offered
						}
						m.Set("lane1", fmt.Sprint(scheme))
						for range 2 { // the examples, and the scheme
							m.Work()
						}
						if p := m.page.(*racePage); p.lanes[0].scheme != scheme || p.lanes[0].refused || p.lanes[0].lane == nil {
							t.Errorf("%s is refused with %s", contests[scheme].kind, m.Query())
						}
					}
				}
			}
		}
	}
}

// At the end of the race every scheme has learned what it can, and the article's order holds:
// averaging needs fewer bytes than a gradient for every step, dynamic averaging fewer than
// periodic averaging.
func TestRace(t *testing.T) {
	_, p := race(t, "step=1000&lane1=1&lane2=2&lane3=3&lane4=4&lane5=8")
	end := func(lane int) version {
		all := p.lanes[lane].versions
		return all[len(all)-1]
	}
	for i := range p.lanes {
		if v := end(i); v.Test.Accuracy < .85 {
			t.Errorf("%s ends with %.3f", p.lanes[i].kind, v.Test.Accuracy)
		}
	}
	// bytes until the loss is at most that of a reference
	until := func(lane int, loss float64) int64 {
		for _, v := range p.lanes[lane].versions {
			if v.Test.Loss <= loss {
				return v.bytes
			}
		}
		return math.MaxInt64
	}
	const goal = .25
	steps, federated, periodic, dynamic := until(0, goal), until(1, goal), until(2, goal), until(3, goal)
	if !(federated < periodic && periodic < steps && dynamic < periodic) {
		t.Errorf("bytes to a loss of %v: mini-batch %d, periodic %d, federated %d, dynamic %d", goal, steps, periodic, federated, dynamic)
	}
	if b := end(4).bytes; b != 0 {
		t.Errorf("with all data in one place %d bytes travel", b)
	}
}

// A scheme that waits for slow clients makes few versions; FedBuff does not wait.
func TestRaceWithSlowClients(t *testing.T) {
	_, p := race(t, "step=500&slow=0.3&lane1=3&lane2=5&lane3=0&lane4=0&lane5=0")
	if slow, quick := len(p.lanes[0].versions), len(p.lanes[1].versions); quick < 4*slow {
		t.Errorf("periodic averaging makes %d versions, FedBuff %d", slow, quick)
	}
}

// Going back shows what was shown, and computes nothing anew; what is shown depends on the
// state alone.
func TestRaceGoesBack(t *testing.T) {
	m, p := race(t, "step=100&lane3=5")
	lanes, was := p.lanes[0].lane, m.Draw(nil)
	m.Step(150)
	for m.Work() {
	}
	m.change(func() { m.state.set("step", 100) })
	if m.Work() || p.lanes[0].lane != lanes {
		t.Error("something is computed again")
	}
	other, _ := race(t, m.Query())
	for i, f := range m.Draw(nil).Figures {
		if f != was.Figures[i] {
			t.Errorf("figure %s is another after going on and back", f.Name)
		}
		if f != other.Draw(nil).Figures[i] {
			t.Errorf("figure %s is another when it is opened by its address", f.Name)
		}
	}
}

// Only the lane that is changed begins anew.
func TestRaceKeepsOtherLanes(t *testing.T) {
	m, p := race(t, "step=50")
	kept, changed := p.lanes[0].lane, p.lanes[1].lane
	m.Set("lane2", "6")
	for m.Work() {
	}
	if p.lanes[0].lane != kept || p.lanes[1].lane == changed || p.lanes[1].kind != "daisy" {
		t.Error("a change of the second scheme changes others, or not the second")
	}
}

// A message is on its way between when it is sent and when it comes, and what has come is
// counted.
func TestScene(t *testing.T) {
	_, p := race(t, "step=300&lane1=5&lane2=4&lane3=0&lane4=0&lane5=0")
	l := p.lanes[0].lane
	for at := time.Duration(0); at < 3*time.Second; at += 7 * time.Millisecond {
		s := l.scene(l.at(at), at)
		for _, x := range s.flying {
			if x.sent > at || x.here <= at {
				t.Fatalf("at %v a message is drawn that is on its way from %v to %v", at, x.sent, x.here)
			}
		}
		if s.collected > raceBuffer {
			t.Errorf("at %v the buffer of %d has %d answers", at, raceBuffer, s.collected)
		}
	}
	strays := 0
	for _, x := range p.lanes[1].wires {
		if x.what == violation {
			strays++
		}
	}
	if strays == 0 {
		t.Error("no client of dynamic averaging has strayed")
	}
}

// What the page says first is true: before the first step nobody has begun, and before the
// first version there is none.
func TestRaceBegins(t *testing.T) {
	for query, want := range map[string]string{
		"step=0":                          "The clients have not begun. Press Play.",
		"step=1":                          "No scheme has made a version yet.",
		"step=60&lane1=1":                 "After 0.5 s the least loss is that of",
		"step=200&liars=4&rate=1&lane2=0": "After 2 s",
	} {
		m, _ := race(t, query)
		got := ""
		for _, text := range m.Draw(words.Get("en")).Texts {
			if text.Name == "race" {
				got = text.Text
			}
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: the page says %q, want %q", query, got, want)
		}
	}
}

func BenchmarkRace(b *testing.B) {
	rounds := 0
	for b.Loop() {
		m := Find("race").Open("step=300")
		for m.Work() {
		}
		for _, r := range m.page.(*racePage).lanes {
			rounds += len(r.versions)
		}
	}
	b.ReportMetric(float64(rounds)/b.Elapsed().Seconds(), "rounds/s")
}
