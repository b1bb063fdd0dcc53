package ui

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"fedtab/api"
)

// decode makes of JSON what the browser's parser and jsvalue.FromJS make of it.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

const description = `{
	"name": "mnist-2nn", "title": "Handwritten digits", "description": "Reads digits.", "run": "r1",
	"strategy": {"kind": "fedavg", "summary": "Federated averaging: 1 epoch"},
	"model": {"summary": "784-200-200-10, ReLU, softmax", "parameters": 199210},
	"data": {"summary": "MNIST: 60,000 handwritten digits", "public": true, "classes": 10},
	"packing": {"up": "deadzone", "bits": 1, "down": "grid"},
	"phase": "training", "round": 7, "version": 6, "participants": 4,
	"bytes_up": 99605, "bytes_down": 49900, "models_up": 4, "models_down": 3, "bits_up": 1.0, "bits_down": 0.668, "raw_ratio": 37.31,
	"evaluated": 6, "test_loss": 0.2, "test_accuracy": 0.94, "finished": "",
	"stop": {"rounds": 100, "goals": [{"metric": "accuracy", "words": "test accuracy", "reach": 0.98}]},
	"rounds": [
		{"round": 5, "participants": 4, "train_loss": 0.3, "test_loss": 0.25, "test_accuracy": 0.93, "bytes_up": 24901, "bytes_down": 20, "models_up": 1, "models_down": 0,
			"bits_up": 1.0, "bits_down": null, "raw_ratio": 31.97, "seconds": 1.5},
		{"round": 6, "participants": 3, "train_loss": 0.2, "test_loss": null, "test_accuracy": null, "bytes_up": 11, "bytes_down": 21, "seconds": 2}
	]}`

// shown returns a page that shows the described task and can be used.
func shown(t *testing.T) *Page {
	t.Helper()
	p := &Page{}
	p.OnTasks([]any{map[string]any{"name": "mnist-2nn", "title": "Handwritten digits", "phase": "training"}})
	p.Kind = TaskKind
	p.Select(p.Tasks[0].Name)
	p.OnLink(LinkOpen)
	p.OnTask(decode(t, description))
	return p
}

func TestTaskIsRead(t *testing.T) {
	p := shown(t)
	is := func(x float64) *float64 { return &x }
	want := Task{api.Task{
		Name: "mnist-2nn", Title: "Handwritten digits", Description: "Reads digits.", Run: "r1", Phase: api.Training,
		Model:    api.Model{Summary: "784-200-200-10, ReLU, softmax", Parameters: 199210},
		Data:     api.Data{Summary: "MNIST: 60,000 handwritten digits", Public: true, Classes: 10},
		Strategy: api.Strategy{Kind: "fedavg", Summary: "Federated averaging: 1 epoch"},
		Packing:  api.Packing{Up: "deadzone", Bits: 1, Down: "grid"},
		Traffic: api.Traffic{
			BytesUp: 99605, BytesDown: 49900, ModelsUp: 4, ModelsDown: 3, BitsUp: is(1), BitsDown: is(.668), RawRatio: is(37.31),
		},
		Round: 7, Version: 6, Participants: 4, Evaluated: 6, TestLoss: is(0.2), TestAccuracy: is(0.94),
		Stop: api.Stop{Rounds: 100, Goals: []api.Goal{{Metric: "accuracy", Words: "test accuracy", Reach: .98}}},
	}}
	if !reflect.DeepEqual(p.Task, want) {
		t.Errorf("got %+v\nwant %+v", p.Task, want)
	}
	if x, y := p.Series(accuracyOf); !slices.Equal(x, []float64{5}) || !slices.Equal(y, []float64{0.93}) {
		t.Errorf("the accuracy chart has %v, %v, want [5], [0.93]", x, y)
	}
	if r := p.Rounds[0]; *r.BitsUp != 1 || r.BitsDown != nil || *r.RawRatio != 31.97 {
		t.Errorf("round 5 has %+v", r)
	}
	if n := p.Newest(1); len(n) != 1 || n[0].Round != 6 {
		t.Errorf("the newest round is %+v, want round 6", n)
	}
}

func TestDamagedDescriptionsAreSurvived(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"name": 1}`,
		`{"name": "mnist-2nn", "strategy": [], "model": null, "data": 3, "stop": "soon", "rounds": {"a": 1}}`,
		`{"name": "mnist-2nn", "round": "seven", "test_accuracy": "good", "rounds": [1, null, "x", {"round": -1}, {"round": "x"}]}`,
	} {
		p := &Page{}
		p.Select("mnist-2nn")
		p.OnTask(decode(t, text))
		p.OnState(decode(t, text))
		p.OnRound(decode(t, text))
		p.OnWorkerState(decode(t, text))
		_ = p.State() + p.Aside() + p.Title() + p.StrategyWords()
		if len(p.Rounds) != 0 {
			t.Errorf("%s: rounds %+v, want none", text, p.Rounds)
		}
		if p.Task.TestAccuracy != nil {
			t.Errorf("%s: an accuracy is known", text)
		}
	}
}

func TestRoundEvaluatedLater(t *testing.T) {
	p := shown(t)
	p.OnRound(decode(t, `{"round": 7, "participants": 4, "train_loss": 0.1, "test_loss": null, "test_accuracy": null}`))
	p.OnRound(decode(t, `{"round": 6, "participants": 3, "train_loss": 0.2, "test_loss": 0.2, "test_accuracy": 0.94, "bytes_up": 11}`))
	x, _ := p.Series(accuracyOf)
	if !slices.Equal(x, []float64{5, 6}) {
		t.Errorf("evaluated rounds %v, want 5 and 6", x)
	}
	if len(p.Rounds) != 3 || p.Rounds[2].Round != 7 {
		t.Errorf("rounds %+v, want 5, 6, 7", p.Rounds)
	}
	// An older answer, arriving late, takes nothing back.
	p.OnTask(decode(t, description))
	if x, _ = p.Series(accuracyOf); !slices.Equal(x, []float64{5, 6}) {
		t.Errorf("after a late answer the evaluated rounds are %v, want 5 and 6", x)
	}
}

func TestLateDescriptionDoesNotTurnBackTime(t *testing.T) {
	p := shown(t)
	newer := decode(t, description)
	newer["round"], newer["version"], newer["evaluated"], newer["test_accuracy"] = 9.0, 8.0, 8.0, 0.95
	if stale := p.OnState(newer); stale {
		t.Error("a state of the same run asks for the description again")
	}
	p.OnTask(decode(t, description))
	if p.Task.Round != 9 || p.Task.Version != 8 || *p.Task.TestAccuracy != 0.95 {
		t.Errorf("round %d, version %d, accuracy %v, want 9, 8, 0.95", p.Task.Round, p.Task.Version, *p.Task.TestAccuracy)
	}
}

func TestNewRunForgetsTheOld(t *testing.T) {
	p := shown(t)
	next := decode(t, `{"name": "mnist-2nn", "run": "r2", "phase": "waiting", "round": 1}`)
	if stale := p.OnState(next); !stale {
		t.Error("the state of another run does not ask for its description")
	}
	if len(p.Rounds) != 0 || len(p.Curve) != 0 || p.Task.TestAccuracy != nil {
		t.Errorf("rounds %+v and accuracy %v of the old run are still there", p.Rounds, p.Task.TestAccuracy)
	}
	p.OnState(map[string]any{"name": "another", "round": 99.0})
	if p.Task.Round != 1 {
		t.Error("another task's state is taken in")
	}
}

// buttons names those that are there, and marks those that cannot be pressed.
func buttons(p *Page) []string {
	var list []string
	add := func(name string, show, can bool) {
		if show && can {
			list = append(list, name)
		} else if show {
			list = append(list, "("+name+")")
		}
	}
	add(p.JoinLabel(), p.ShowJoin(), p.CanJoin())
	add(p.PauseLabel(), p.ShowPause(), p.CanPause())
	add("Leave", p.ShowLeave(), p.CanLeave())
	add("Reload", p.ShowReload(), true)
	return list
}

func TestLifeOfTheWorker(t *testing.T) {
	var p *Page
	say := func(connection, activity string) func(*testing.T) {
		return func(*testing.T) {
			p.OnWorkerState(map[string]any{"connection": connection, "activity": activity, "round": 7.0, "done": 3200.0, "total": 15000.0,
				"retrySeconds": 3.2, "detail": map[string]string{"refused": "This page is older than the coordinator: reload"}[connection]})
		}
	}
	ready := func(*testing.T) { p.OnReady("wasm-simd128") }
	join := func(*testing.T) { p.Join() }
	leave := func(*testing.T) { p.Leave() }
	crash := func(*testing.T) { p.OnExit("panic: out of memory") }

	for _, c := range []struct {
		name    string
		steps   []func(*testing.T)
		state   string
		tone    string
		buttons []string
	}{
		{"not joined", nil, "Round 7 is being trained by others: join to take part", "calm", []string{"Join training"}},
		{"loading", []func(*testing.T){join}, "Starting: loading the training program", "busy", []string{"(Pause)", "Leave"}},
		{"connecting", []func(*testing.T){join, ready}, "Connecting to the coordinator", "calm", []string{"Pause", "Leave"}},
		{"before it has heard of joining", []func(*testing.T){join, ready, say("left", "idle")}, "Connecting to the coordinator", "calm", []string{"Pause", "Leave"}},
		{"waiting", []func(*testing.T){join, ready, say("joined", "waiting")}, "Waiting for the next round", "calm", []string{"Pause", "Leave"}},
		{"too few for a round", []func(*testing.T){join, ready, say("joined", "waiting"), func(*testing.T) {
			p.Task.Phase, p.Task.Strategy.Fewest, p.Task.Participants = api.Waiting, 3, 2
		}}, "Joined: waiting for one more participant", "calm", []string{"Pause", "Leave"}},
		{"training", []func(*testing.T){join, ready, say("joined", "training")}, "Training round 7: 3,200 of 15,000 examples", "busy", []string{"Pause", "Leave"}},
		{"sending", []func(*testing.T){join, ready, say("joined", "sending")}, "Sending what was learned in round 7", "busy", []string{"Pause", "Leave"}},
		{"paused", []func(*testing.T){join, ready, func(*testing.T) { p.Pause(true) }, say("joined", "paused")}, "Paused: this tab takes no part until you resume", "calm", []string{"Resume", "Leave"}},
		{"connection lost", []func(*testing.T){join, ready, say("reconnecting", "idle")}, "Connection lost, trying again in 4 s", "trouble", []string{"Pause", "Leave"}},
		{"refused", []func(*testing.T){join, ready, say("refused", "idle")}, "This page is older than the coordinator: reload", "trouble", []string{"Try again", "Reload"}},
		{"superseded", []func(*testing.T){join, ready, say("superseded", "idle")}, "Another tab has taken this participant's place", "trouble", []string{"Join as a new participant"}},
		{"joined again after that", []func(*testing.T){join, ready, say("superseded", "idle"), join, ready, say("joined", "waiting")}, "Waiting for the next round", "calm", []string{"Pause", "Leave"}},
		{"leaving", []func(*testing.T){join, ready, say("joined", "training"), leave}, "Leaving", "calm", []string{"(Leave)"}},
		{"left", []func(*testing.T){join, ready, say("joined", "training"), leave, say("left", "idle")}, "Round 7 is being trained by others: join to take part", "calm", []string{"Join training"}},
		{"crashed", []func(*testing.T){join, ready, say("joined", "training"), crash}, "The training program stopped: panic: out of memory", "trouble", []string{"Start again"}},
		{"crashed while leaving", []func(*testing.T){join, ready, leave, crash}, "Round 7 is being trained by others: join to take part", "calm", []string{"Join training"}},
		{"joined again after a crash", []func(*testing.T){join, crash, join}, "Starting: loading the training program", "busy", []string{"(Pause)", "Leave"}},
		{"finished", []func(*testing.T){join, ready, say("finished", "idle")}, "Training is finished: 94.00% test accuracy after 6 rounds", "done", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p = shown(t)
			for _, step := range c.steps {
				step(t)
			}
			if got := p.State(); got != c.state {
				t.Errorf("state %q, want %q", got, c.state)
			}
			if got := p.Tone(); got != c.tone {
				t.Errorf("tone %q, want %q", got, c.tone)
			}
			if got := buttons(p); !slices.Equal(got, c.buttons) {
				t.Errorf("buttons %q, want %q", got, c.buttons)
			}
		})
	}
}

func TestWorkerIsEndedWhenItsWorkIs(t *testing.T) {
	for connection, want := range map[string]bool{"joined": false, "reconnecting": false, "refused": true, "superseded": true, "finished": true, "left": true} {
		p := shown(t)
		p.Join()
		p.OnReady("scalar")
		if connection == "left" {
			p.Leave()
		}
		if got := p.OnWorkerState(map[string]any{"connection": connection}); got != want {
			t.Errorf("%s: done is %v, want %v", connection, got, want)
		}
	}
}

func TestStateWithoutTask(t *testing.T) {
	for _, c := range []struct {
		name string
		page func(p *Page)
		want string
	}{
		{"nothing yet", func(p *Page) { p.Loaded = false }, "Loading"},
		{"unreachable", func(p *Page) { p.OnLink(LinkLost) }, "The coordinator cannot be reached, trying again"},
		{"no task", func(p *Page) { p.OnProblem("The coordinator has no task") }, "The coordinator has no task"},
		{"waiting", func(p *Page) { p.Loaded, p.Task.Phase = true, "waiting" }, "No participant yet: join to start the training"},
		{"none of several", func(p *Page) { p.Loaded, p.Task.Phase, p.Task.Strategy.Fewest = true, "waiting", 3 }, "No participant yet: training starts when 3 have joined"},
		{"nobody is left", func(p *Page) { p.Loaded, p.Task.Phase, p.Task.Version = true, "waiting", 71 }, "No participant is here now: join to go on with the training"},
		{"too few", func(p *Page) {
			p.Loaded, p.Task.Phase, p.Task.Participants, p.Task.Strategy.Fewest = true, "waiting", 1, 3
		}, "Waiting for 2 more participants: join to take part"},
		{"paused", func(p *Page) { p.Loaded, p.Task.Phase, p.Task.Paused = true, "paused", "until Monday" }, "Training is paused by its organiser: until Monday"},
		{"finished at once", func(p *Page) { p.Loaded, p.Task.Phase = true, "finished" }, "Training is finished"},
		{"unknown phase", func(p *Page) { p.Loaded, p.Task.Phase = true, "dreaming" }, "Ready to join"},
	} {
		p := &Page{}
		c.page(p)
		if got := p.State(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A screen reader hears that the tab has joined, every tenth of the way, and troubles,
// but not every round.
func TestAnnouncements(t *testing.T) {
	p := shown(t)
	p.Join()
	p.OnReady("wasm-simd128")
	var heard []string
	listen := func() {
		if s := p.Announcement(); len(heard) == 0 || heard[len(heard)-1] != s {
			heard = append(heard, s)
		}
	}
	listen()
	for round := range 40 {
		share := float64(round) / 40
		p.Task.Progress = &share
		for _, activity := range []string{"waiting", "downloading", "training", "packing", "sending"} {
			p.OnWorkerState(map[string]any{"connection": "joined", "activity": activity, "round": float64(round), "done": 5.0, "total": 10.0})
			listen()
		}
	}
	p.OnWorkerState(map[string]any{"connection": "reconnecting", "retrySeconds": 3.0})
	listen()
	p.OnWorkerState(map[string]any{"connection": "joined", "activity": "paused"})
	p.Pause(true)
	listen()
	want := []string{"Connecting to the coordinator", "Joined: this tab trains"}
	for tenth := 1; tenth < 10; tenth++ {
		want = append(want, fmt.Sprintf("%d0%% of the training is done", tenth))
	}
	want = append(want, "Connection lost, trying again", "Paused: this tab takes no part until you resume")
	if !slices.Equal(heard, want) {
		t.Errorf("a screen reader hears %q, want %q", heard, want)
	}
}

// A hidden page has no events of the coordinator: how the run ended it knows from its
// worker.
func TestHiddenPageFinishes(t *testing.T) {
	p := shown(t)
	p.OnLink(LinkOpening)
	p.Join()
	p.OnReady("wasm-simd128")
	p.OnWorkerState(decode(t, `{"connection": "finished", "run": {"phase": "finished", "round": 12, "version": 12, "participants": 3, "evaluated": 12, "testAccuracy": 0.9712, "finished": "12 rounds done"}}`))
	if got, want := p.State(), "Training is finished: 97.12% test accuracy after 12 rounds"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// However long a run, the page keeps the newest rounds and a bounded curve, which
// begins with what the coordinator has thinned and goes on with every evaluation.
func TestLongRuns(t *testing.T) {
	p := shown(t)
	p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "round": 9000, "version": 9000,
		"rounds": [{"round": 8999}, {"round": 9000, "test_loss": 0.1, "test_accuracy": 0.97}],
		"curve": {"round": [1, 4500, 9000], "test_loss": [2.3, null, 0.1], "test_accuracy": [0.1, 0.9, 0.97]}}`))
	if x, y := p.Series(lossOf); !slices.Equal(x, []float64{1, 5, 9000}) || !slices.Equal(y, []float64{2.3, .25, .1}) {
		t.Errorf("the loss chart has %v, %v", x, y)
	}
	before := p.drawing
	for n := 9001; n <= 13_000; n++ {
		p.OnRound(decode(t, fmt.Sprintf(`{"round": %d, "test_loss": 0.1, "test_accuracy": 0.9}`, n)))
	}
	if p.drawing == before {
		t.Error("the charts are not drawn again")
	}
	x, _ := p.Series(accuracyOf)
	if len(x) > api.MaxPoints || len(x) < api.MaxPoints/2 || x[len(x)-1] != 13_000 || !slices.IsSorted(x) {
		t.Errorf("the curve has %d points to %v, want at most %d to 13000", len(x), x[len(x)-1], api.MaxPoints)
	}
	if n := len(p.Rounds); n > keptRounds || p.Newest(1)[0].Round != 13_000 || len(p.Newest(shownRounds)) != shownRounds {
		t.Errorf("%d rounds are kept, the newest %d", n, p.Newest(1)[0].Round)
	}
}
