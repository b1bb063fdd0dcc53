//go:build !js

package ui

import (
	"strings"
	"testing"

	"fedtab/words"
)

// A round that was given up is said on the card: why, and what helps, whatever this tab
// had to do with it.
func TestAbandonedWords(t *testing.T) {
	for _, c := range []struct{ name, abandoned, outcome, want string }{
		{"none", `null`, `{}`, ""},
		{"the deadline was too short", `{"round": 7, "times": 1, "seconds": 120, "reason": "deadline", "answers": 2, "asked": 3, "needed": 3, "time_up": true}`, `{"kind": "abandoned", "round": 7, "detail": "deadline"}`,
			"Round 7 begins again: its time (about 2 minutes) was over with 2 of 3 answers that it needs. More devices help, and more effort of those that are here."},
		{"again", `{"round": 7, "times": 3, "seconds": 9, "answers": 0, "asked": 1, "needed": 1, "time_up": true}`, `{"kind": "late", "round": 7}`,
			"Round 7 begins again: its time (less than a minute) was over with 0 of 1 answer that it needs. More devices help, and more effort of those that are here. It has been given up 3 times."},
		{"participants have left", `{"round": 7, "times": 1, "seconds": 9, "answers": 1, "asked": 2, "needed": 2}`, `{"kind": "accepted", "round": 7}`,
			"Round 7 begins again: it got 1 of 2 answers that it needs, because participants have left. More devices help: pass the address on."},
		{"the answer was refused", `{"round": 7, "times": 1, "answers": 1, "asked": 2, "needed": 2}`, `{"kind": "rejected", "round": 7, "reason": "badnumber"}`,
			"The coordinator did not take the answer to round 7: badnumber. There is nothing to do: the next round counts again."},
		{"late", `null`, `{"kind": "late", "round": 7}`,
			"Round 7 had closed before this tab's answer came. The next round counts again; more effort makes this tab faster."},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := shown(t)
			p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "phase": "waiting", "participants": 3, "strategy": {"fewest": 3}, "abandoned": `+c.abandoned+`}`))
			p.Join()
			p.OnReady("scalar")
			p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting", "outcome": `+c.outcome+`}`))
			opening, text := tag(t, render(t, p), "outcome")
			if text = strings.ReplaceAll(text, "&#39;", "'"); text != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
			if hidden := strings.Contains(opening, "hidden"); hidden != (c.want == "") {
				t.Errorf("hidden %v: %s", hidden, opening)
			}
		})
	}
}

// Who waits reads how many are missing, and with enough there, that a round is next.
func TestWaitingWords(t *testing.T) {
	for _, c := range []struct {
		participants string
		want         string
	}{
		{"1", "Joined: waiting for 2 more participants"},
		{"2", "Joined: waiting for one more participant"},
		{"3", "Joined: waiting for the next round"},
	} {
		p := shown(t)
		p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "phase": "waiting", "participants": `+c.participants+`, "strategy": {"fewest": 3}}`))
		p.Join()
		p.OnReady("scalar")
		p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting"}`))
		if got := p.State(); got != c.want {
			t.Errorf("%s there: %q, want %q", c.participants, got, c.want)
		}
	}
}

// A number of participants that is none is said beside the field, and nobody joins so.
func TestSeveral(t *testing.T) {
	for text, problem := range map[string]string{
		"": "", "1": "", " 16 ": "",
		"0": `"0" is no number of participants: want 1 to 16`, "-3": `"-3" is no number of participants: want 1 to 16`,
		"abc": `"abc" is no number of participants: want 1 to 16`, "99": `"99" is no number of participants: want 1 to 16`,
		"1.5": `"1.5" is no number of participants: want 1 to 16`,
	} {
		p := shown(t)
		p.Several = text
		page := render(t, p)
		opening, said := tag(t, page, "several-error")
		if said = strings.ReplaceAll(said, "&#34;", `"`); said != problem || strings.Contains(opening, "hidden") != (problem == "") {
			t.Errorf("%q: %q, want %q: %s", text, said, problem, opening)
		}
		if field, _ := tag(t, page, "several"); strings.Contains(field, `aria-invalid="true"`) != (problem != "") {
			t.Errorf("%q: %s", text, field)
		}
		if join, _ := tag(t, page, "join"); strings.Contains(join, "disabled") != (problem != "") {
			t.Errorf("%q: %s", text, join)
		}
		if _, note := tag(t, page, "join-note"); problem != "" && strings.ReplaceAll(note, "&#34;", `"`) != problem {
			t.Errorf("%q: beside Join stands %q, want %q", text, note, problem)
		}
	}
}

// A tab that its settings pause takes no part: no step of a round is shown, and the screen
// may go off.
func TestHeld(t *testing.T) {
	p := shown(t)
	p.Join()
	p.OnReady("scalar")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "training"}`))
	if !p.Working() {
		t.Error("a tab that trains does not keep the screen on")
	}
	p.Held = true
	if p.Working() || p.Announcement() != p.say("state.held") || !strings.Contains(render(t, p), `class="timeline" aria-label="`+p.say("timeline")+`" hidden`) {
		t.Errorf("held: working %v, heard %q", p.Working(), p.Announcement())
	}
}

// The first rounds do not make the curve of the others a flat line.
func TestSpark(t *testing.T) {
	p := shown(t)
	p.Curve = nil
	for round := range 11 {
		accuracy := 0.90 + 0.01*float64(round)
		if round == 0 {
			accuracy = 0.1
		}
		p.Curve = append(p.Curve, Point{Round: round + 1, Accuracy: &accuracy})
	}
	points := strings.Fields((&Train{p}).spark())
	if len(points) != 11 || points[0] != "0.0,29.0" || points[1] != "10.0,29.0" || points[10] != "100.0,1.0" {
		t.Errorf("the curve is %q, want its height for rounds 2 to 11", points)
	}
}

// The details link to the model where the page is, if the organiser hands it out.
func TestModelLinks(t *testing.T) {
	p := shown(t)
	p.Root, p.Task.Version = "../", 3
	for _, download := range []bool{true, false} {
		p.Task.Download = download
		c := Facts{p}
		if c.handed() != download || c.model("onnx") != "../api/tasks/mnist-2nn/models/newest.onnx" {
			t.Errorf("download %v: handed out %v at %s", download, c.handed(), c.model("onnx"))
		}
	}
}

// While the coordinator is away, the page says what pressing Join does.
func TestJoinWhileAway(t *testing.T) {
	p := shown(t)
	p.OnLink(LinkLost)
	page := render(t, p)
	if join, _ := tag(t, page, "join"); strings.Contains(join, "disabled") {
		t.Errorf("Join cannot be pressed: %s", join)
	}
	if _, note := tag(t, page, "join-note"); !strings.Contains(note, "the tab joins once it is back") {
		t.Errorf("beside Join stands %q", note)
	}
}

// A task that is over leaves no button of the training, and one that was left keeps its
// figures.
func TestAfterTraining(t *testing.T) {
	p := shown(t)
	p.Join()
	p.OnReady("scalar")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting", "contributions": 5, "trained": 3400, "bytesUp": 1000}`))
	p.Leave()
	p.OnWorkerState(decode(t, `{"connection": "left", "contributions": 5, "trained": 3400, "bytesUp": 1000}`))
	p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "phase": "waiting", "version": 5, "participants": 0}`))
	page := render(t, p)
	if _, text := tag(t, page, "own-part"); text != "This tab has added 5 contributions, from 3,400 examples that it trained on." {
		t.Errorf("after leaving, its part is %q", text)
	}
	if got, want := p.State(), p.say("watch.left"); got != want {
		t.Errorf("after five rounds, %q, want %q", got, want)
	}
	p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "phase": "finished", "version": 5}`))
	page = render(t, p)
	for _, id := range []string{"join", "pause", "reload", "join-note"} {
		if opening, _ := tag(t, page, id); !strings.Contains(opening, "hidden") {
			t.Errorf("finished: %s is shown: %s", id, opening)
		}
	}
	if !strings.Contains(page, `class="leaving" hidden`) {
		t.Error("finished: one can leave")
	}
	if share, _ := tag(t, page, "thanks-share"); strings.Contains(share, "hidden") {
		t.Errorf("finished: the part cannot be shared: %s", share)
	}
}

// What a person has chosen of the device's use is taken back with all else.
func TestForgetSettings(t *testing.T) {
	p := shown(t)
	p.MaxCores, p.HasBattery = 4, true
	p.SetEffort("30")
	p.SetCores("3")
	p.PauseHidden, p.PauseBattery, p.Held = true, true, true
	p.OnForgotten("")
	if want := (Settings{Effort: 100, Cores: 1, MaxCores: 4, HasBattery: true}); p.Settings != want || p.Held {
		t.Errorf("settings %+v, want %+v", p.Settings, want)
	}
}

// In a pause of its organiser's, everybody reads so and why, and no round is said to begin
// again; afterwards the tab goes on by itself.
func TestPausedByTheOrganiser(t *testing.T) {
	const state = `{"name": "mnist-2nn", "run": "r1", "participants": 3, "strategy": {"fewest": 3}, "abandoned": {"round": 7, "times": 1, "reason": "the run is paused by its organiser"}, `
	for code, want := range map[string]string{
		"en": "Training is paused by its organiser: the lesson goes on tomorrow",
		"de": "Die Leitung hat das Training angehalten: the lesson goes on tomorrow",
	} {
		p := shown(t)
		p.Lang = words.Get(code)
		p.OnState(decode(t, state+`"phase": "paused", "paused": "the lesson goes on tomorrow"}`))
		if got := p.State(); got != want {
			t.Errorf("before joining: %q, want %q", got, want)
		}
		p.Join()
		p.OnReady("scalar")
		p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting", "outcome": {"kind": "abandoned", "round": 7, "detail": "the run is paused by its organiser"}}`))
		if p.State() != want || p.Announcement() != want || p.Tone() != "calm" || p.OutcomeWords() != "" {
			t.Errorf("a tab says %q, %q, %q, in tone %q; want %q", p.State(), p.Announcement(), p.OutcomeWords(), p.Tone(), want)
		}
		if steps := (&Train{p}).timeline(); steps[0].look != "now" || steps[0].words != p.say("hold") {
			t.Errorf("its steps are %+v", steps)
		}
		p.Pause(true)
		if got := p.State(); got != p.say("state.paused") {
			t.Errorf("a tab that is paused itself says %q", got)
		}
		p.Pause(false)
		p.OnState(decode(t, state+`"phase": "training", "paused": ""}`))
		if got := p.State(); got != p.say("state.waiting") || p.OutcomeWords() == "" {
			t.Errorf("after the pause %q, %q", got, p.OutcomeWords())
		}
	}
}
