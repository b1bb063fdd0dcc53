package e2e

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Four tabs learn MNIST: 95% test accuracy within 15 rounds. After the run every tab
// shows the coordinator's figures.
func TestTabsLearn(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 6
	}
	c := serve(t, digits("rounds: 15", fmt.Sprint("rounds: ", rounds)))
	var tabs []*tab
	for range 4 {
		b := open(t, c.url())
		b.join()
		tabs = append(tabs, b)
	}
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
	s := c.state("digits")
	reached := uint64(0)
	largest := 0
	for _, r := range s.Rounds {
		if reached == 0 && r.TestAccuracy != nil && *r.TestAccuracy >= .95 {
			reached = r.Round
		}
		largest = max(largest, r.Participants)
	}
	t.Logf("95%% after %d rounds, %.4f after %d", reached, *s.TestAccuracy, s.Version)
	if reached == 0 {
		t.Errorf("no round of %d reached 95%% test accuracy", rounds)
	}
	contributions := 0.
	for i, b := range tabs {
		await(t, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
		for id, want := range map[string]float64{
			"round": float64(s.Version), "test-accuracy": *s.TestAccuracy, "test-loss": *s.TestLoss,
			"participants": float64(c.state("digits").Participants),
		} {
			await(t, id+" is the coordinator's", func() bool {
				got, ok := b.value(id)
				return ok && got == want
			})
		}
		n, _ := b.value("contributions")
		contributions += n
		if up, _ := b.value("bytes-up"); n > 0 && up > n*4*digitsParameters/20 {
			t.Errorf("tab %d has sent %.0f bytes for %.0f contributions", i, up, n)
		}
	}
	want := 0
	for _, r := range s.Rounds {
		want += r.Participants
	}
	if int(contributions) != want {
		t.Errorf("the tabs count %.0f contributions, the coordinator %d", contributions, want)
	}
	for i, b := range tabs {
		want := fmt.Sprintf("deadzone, %v bit", s.Packing.Bits) // or bits
		n, _ := b.value("contributions")
		if got := strings.ReplaceAll(b.text("codec"), "\n", " "); n > 0 && (!strings.HasPrefix(got, want) || !strings.HasSuffix(got, " up; grid down") && !strings.HasSuffix(got, " up")) { // few rounds may not choose a tab
			t.Errorf("codec of tab %d: %q, want %s", i, got, want)
		}
		await(t, "bits and ratio are the coordinator's", func() bool {
			s := c.state("digits")
			for name, want := range map[string]*float64{"bitsUp": s.BitsUp, "bitsDown": s.BitsDown, "rawRatio": s.RawRatio} {
				got, err := strconv.ParseFloat(js[string](b, "document.getElementById('traffic').dataset."+name), 64)
				if err != nil || want == nil || got != *want {
					return false
				}
			}
			return true
		})
		b.offline = true
	}
	checkAccounts(t, c, s.Run, len(s.Rounds))
}

// longTasks records the main thread's tasks of over 50 ms, with the tab's
// state at the time.
const longTasks = `
window.longTasks = [];
new PerformanceObserver(list => {
  for (const e of list.getEntries()) {
    const state = document.getElementById('state');
    window.longTasks.push({start: e.startTime, duration: e.duration, activity: state?.dataset.activity ?? ''});
  }
}).observe({type: 'longtask'});
`

// A single tab trains on at least 10,000 examples a second on an idle machine, and
// training does not block the page.
func TestTrainingSpeed(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 5"))
	b := open(t, c.url(), longTasks)
	b.join()
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" && c.state("digits").Version >= 1 })
	js[bool](b, "window.longTasks.length = 0, true")
	began := js[float64](b, "performance.now()")
	best := 0.
	for range 40 {
		await(t, "the tab works", func() bool {
			v, ok := b.value("rate")
			best = max(best, v)
			return ok
		})
		if c.state("digits").Version >= 4 {
			break
		}
		await(t, "a moment of training has passed", func() bool {
			v, _ := b.value("progress")
			return v > 0 || c.state("digits").Version >= 4
		})
	}
	await(t, "the fourth round is over", func() bool { return c.state("digits").Version >= 4 })
	if v, ok := b.value("rate"); ok {
		best = max(best, v)
	}
	tasks := js[[]longTask](b, "window.longTasks")
	trained := js[float64](b, "performance.now()") - began
	held := 0.
	for _, task := range tasks {
		held += task.Duration
	}
	t.Logf("%.0f examples/s (the goal is 10,000), kernel %s; in %.0f ms the page was held up for %.0f ms, by %d long tasks %v",
		best, b.text("kernel"), trained, held, len(tasks), tasks)
	if best == 0 {
		t.Error("the page shows no examples per second")
	}
	if kernel := js[string](b, "document.getElementById('kernel')?.dataset.value ?? ''"); kernel == "" || kernel == "scalar" {
		t.Errorf("the kernel is %q, want one with SIMD", kernel)
	}
	// Training takes most of the worker's time. On the page's thread it would take
	// most of that one's.
	if held > trained/4 {
		t.Errorf("the page was held up for %.0f of %.0f ms while the tab trained, want at most a quarter: %v", held, trained, tasks)
	}
}

// longTask is a browser's performance entry of a task of the main thread.
type longTask struct {
	Duration float64 // milliseconds
	Activity string
}

// A tab that is closed in mid-round does not hold up the round until its
// deadline, which is an hour away.
func TestClosedTab(t *testing.T) {
	c := serve(t, digits("fraction: 0.1", "fraction: 1", "min_clients: 1", "min_clients: 3, deadline: 1h", "epochs: 1", "epochs: 3", "rounds: 15", "rounds: 2"))
	var tabs []*tab
	for range 3 {
		b := open(t, c.url())
		b.join()
		tabs = append(tabs, b)
	}
	await(t, "the third tab trains", func() bool { return tabs[2].state("activity") == "training" })
	tabs[2].cancel()
	await(t, "the first round is over", func() bool { return c.state("digits").Version >= 1 })
	if r := c.state("digits").Rounds[0]; r.Participants != 2 {
		t.Errorf("round 1 has %d participants after %.1f s, want the two that stayed", r.Participants, r.Seconds)
	}
}

// Leaving, joining again and pausing are told to the coordinator.
func TestLeaveAndPause(t *testing.T) {
	c := serve(t, digits("min_clients: 1", "min_clients: 2"))
	participants := func(n int) {
		t.Helper()
		await(t, "participants are as they should be", func() bool { return c.state("digits").Participants == n })
	}
	a, b := open(t, c.url()), open(t, c.url())
	a.join()
	participants(1)
	a.press("leave")
	participants(0)
	a.join()
	participants(1)
	b.press("join")
	await(t, "a tab trains", func() bool { return a.state("activity") == "training" })
	a.press("pause")
	await(t, "the tab says that it pauses", func() bool { return a.state("activity") == "paused" })
	done, _ := a.value("contributions")
	version := c.state("digits").Version
	// With two needed, nothing begins; what was open goes on without it.
	await(t, "the round ends without the paused tab", func() bool {
		s := c.state("digits")
		return s.Phase == "waiting" || s.Version > version+1
	})
	if now, _ := a.value("contributions"); now != done {
		t.Errorf("a paused tab went from %.0f to %.0f contributions", done, now)
	}
	a.press("pause")
	await(t, "the tab trains again", func() bool {
		now, _ := a.value("contributions")
		return now > done
	})
}

// The coordinator is killed during a run and restarted: four tabs reconnect and
// continue the same run.
func TestCoordinatorKilled(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 6"))
	var tabs []*tab
	for range 4 {
		b := open(t, c.url())
		b.offline = true
		b.join()
		tabs = append(tabs, b)
	}
	await(t, "two rounds are over", func() bool { return c.state("digits").Version >= 2 })
	before := c.state("digits")
	numbers := map[*tab]int{}
	for _, b := range tabs {
		numbers[b] = b.participant()
	}
	c.stop(syscall.SIGKILL)
	await(t, "the page says that it tries again", func() bool { return tabs[0].state("connection") == "reconnecting" })
	c.start()
	for _, b := range tabs {
		await(t, "the tab is back", func() bool { c := b.state("connection"); return c == "joined" || c == "finished" })
		if got := b.participant(); got != numbers[b] {
			t.Errorf("participant %d resumed as %d", numbers[b], got)
		}
	}
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
	after := c.state("digits")
	if after.Run != before.Run || after.Version != 6 || len(after.Rounds) != 6 {
		t.Errorf("run %s at version %d with %d rounds, want %s at 6", after.Run, after.Version, len(after.Rounds), before.Run)
	}
	for i, r := range before.Rounds {
		if got := after.Rounds[i]; got.Round != r.Round || got.Participants != r.Participants {
			t.Errorf("round %d was %+v, and is %+v now", r.Round, r, got)
		}
	}
}

// A browser without WebAssembly SIMD trains with the slower build and shows that.
func TestNoSIMD(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "batch: 10", "batch: 50", "rounds: 15", "rounds: 2"))
	b := open(t, c.url(), "WebAssembly.validate = () => false;")
	b.join()
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
	if got := js[string](b, "document.getElementById('kernel')?.dataset.value ?? ''"); got != "scalar" {
		t.Errorf("the kernel is %q, want scalar", got)
	}
	if !math.IsNaN(*c.state("digits").TestAccuracy) && *c.state("digits").TestAccuracy < .8 {
		t.Errorf("test accuracy %.3f", *c.state("digits").TestAccuracy)
	}
}

// A task can ask for arithmetic that rounds alike in every browser. While the module for
// it is not there, scalar Go trains.
func TestReproducible(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "batch: 10", "batch: 50", "rounds: 15", "rounds: 100000", "seed: 1", "seed: 1\nreproducible: true"))
	kernel := func(b *tab) string {
		return js[string](b, "document.getElementById('kernel')?.dataset.value ?? ''")
	}
	l := connect(t, c, 0, 0, 0)
	l.hold(func(path string) bool { return strings.Contains(path, "kernel-simd128") })
	b := open(t, l.url())
	b.join()
	await(t, "the run goes on without the module", func() bool { return c.state("digits").Version > 1 })
	if got := kernel(b); got == "wasm-simd128" {
		t.Error("the module is in use, and has not come")
	}
	l.release()
	await(t, "the module is in use", func() bool { return kernel(b) == "wasm-simd128" })
	version := c.state("digits").Version
	await(t, "the run goes on with it", func() bool { return c.state("digits").Version > version+1 })
}

// hide sets the page's visibility state.
func (b *tab) hide(hidden bool) {
	b.t.Helper()
	state := map[bool]string{true: "hidden", false: "visible"}[hidden]
	js[bool](b, "Object.defineProperty(document, 'visibilityState', {get: () => '"+state+"', configurable: true});"+
		"document.dispatchEvent(new Event('visibilitychange'))")
}

// A browser opens at most six connections to a host for all tabs. More tabs work,
// because a hidden page closes its event stream; once visible it catches up.
func TestManyTabs(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 3", "min_clients: 1", "min_clients: 7"))
	var tabs []*tab
	for range 7 {
		b := open(t, c.url())
		b.join()
		b.hide(true)
		tabs = append(tabs, b)
	}
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
	if n := js[int](tabs[0], "document.querySelectorAll('#rounds tr').length"); n != 0 {
		t.Errorf("a hidden page shows %d rounds, and should not have listened", n)
	}
	want := *c.state("digits").TestAccuracy
	tabs[0].hide(false)
	await(t, "the page catches up", func() bool {
		v, ok := tabs[0].value("test-accuracy")
		return ok && v == want
	})
}
