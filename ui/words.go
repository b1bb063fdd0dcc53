package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fedtab/api"
	"fedtab/tab"
)

// State says in one sentence what this tab does, or what the training does while
// the tab takes no part.
func (p *Page) State() string { return p.state(true) }

// Announcement is what screen readers are told: that the tab has joined, every tenth of
// the way, and whatever else changes the state, but not every step of every round.
func (p *Page) Announcement() string {
	if !p.Working() || p.NoData() || p.Local.Activity == tab.Paused || p.OnHold() {
		return p.state(false)
	}
	done := 0.
	if p.Task.Progress != nil {
		done = *p.Task.Progress
	}
	const tenths = 10
	if tenth := int(done * tenths); tenth > 0 {
		return p.say("announce.progress", p.Lang.Percent(float64(tenth)/tenths, 0))
	}
	return p.say("announce.joined")
}

func (p *Page) state(exact bool) string {
	switch p.Stage {
	case StageStarting:
		return p.say("state.starting")
	case StageLeaving:
		return p.say("state.leaving")
	case StageStopped:
		if p.Why == "" {
			return p.say("state.stopped")
		}
		return p.say("state.stopped.why", p.phrase(p.Why))
	case StageRunning:
		return p.running(exact)
	}
	return p.watching()
}

func (p *Page) running(exact bool) string {
	l := p.Local
	switch l.Connection {
	case tab.Reconnecting:
		if exact && l.RetrySeconds > 0 {
			return p.say("link.again.in", p.turnedAway(l.Refusal), int(math.Ceil(l.RetrySeconds)))
		}
		return p.say("link.again", p.turnedAway(l.Refusal))
	case tab.Uninvited:
		return sentence(p.phrase(l.Detail))
	case tab.Refused:
		if l.Detail != "" {
			return sentence(p.phrase(l.Detail))
		}
		return p.say("state.refused")
	case tab.Superseded:
		return p.say("state.superseded")
	case tab.Joined:
		// below
	default:
		return p.say("state.connecting")
	}
	if p.Held && !p.Paused {
		return p.say("state.held")
	}
	if p.Paused || l.Activity == tab.Paused {
		return p.say("state.paused")
	}
	if p.NoData() {
		return p.say("state.nodata", p.phrase(l.DataError))
	}
	if p.OnHold() {
		return p.holdWords()
	}
	switch l.Activity {
	case tab.Downloading:
		if exact && l.ShardsTotal > 1 {
			return p.say("state.downloading.part", min(l.Shards+1, l.ShardsTotal), l.ShardsTotal)
		}
		return p.say("state.downloading")
	case tab.Training:
		if exact && l.Total > 0 {
			return p.say("state.training.examples", l.Round, l.Done, l.Total)
		}
		return p.say("state.training", l.Round)
	case tab.Packing:
		return p.say("state.packing", l.Round)
	case tab.Sending:
		return p.say("state.sending", l.Round)
	case tab.Agreeing:
		return p.say("state.agreeing", l.Round)
	case tab.Summing:
		return p.say("state.summing", l.Round)
	}
	if p.Task.Phase == api.Waiting {
		return p.say("state.joined", p.waitingFor())
	}
	if p.Task.Awaited > 0 {
		return p.awaitedWords()
	}
	return p.say("state.waiting")
}

// OnHold reports whether the organiser has paused the run.
func (p *Page) OnHold() bool { return p.Task.Phase == api.Paused }

// holdWords says that the organiser has paused the run, and why.
func (p *Page) holdWords() string {
	if p.Task.Paused == "" {
		return p.say("hold")
	}
	return p.say("hold.why", p.phrase(p.Task.Paused))
}

// awaitedWords says whom the run waits for after a restart, and until when.
func (p *Page) awaitedWords() string {
	t := &p.Task
	if until, ok := moment(t.AwaitedUntil); ok {
		return p.say("awaited.until", t.Round, t.Awaited, p.Lang.Clock(until))
	}
	return p.say("awaited", t.Round, t.Awaited)
}

// moment reads a time as the coordinator writes it, 2006-01-02T15:04:05Z. time.Parse would
// take 5 kB of the first load.
func moment(text string) (time.Time, bool) {
	if len(text) != len(time.RFC3339)-len("07:00") {
		return time.Time{}, false
	}
	var n [6]int
	for i, at := range []int{0, 5, 8, 11, 14, 17} {
		end := at + 2
		if i == 0 {
			end = 4
		}
		v, err := strconv.Atoi(text[at:end])
		if err != nil {
			return time.Time{}, false
		}
		n[i] = v
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC), true
}

// waitingFor says how many participants a waiting run lacks.
func (p *Page) waitingFor() string {
	missing := p.Task.Strategy.Fewest - p.Task.Participants
	if s := p.Task.Survey; s != nil {
		missing = s.Fewest - s.Ready
	}
	switch {
	case missing > 0:
		return p.say("waiting.missing", missing)
	case p.Task.Survey != nil:
		return p.say("waiting.survey")
	case p.Task.Strategy.Fewest > 0:
		return p.say("waiting.round")
	}
	return p.say("waiting.more")
}

// watching says what the training does while this tab takes no part.
func (p *Page) watching() string {
	switch {
	case p.Problem != "":
		return p.Problem
	case p.Over():
		return p.finished()
	case p.Link == LinkLost:
		return p.say("link.again", p.unlinked())
	case !p.Loaded:
		return p.say("watch.loading")
	case p.StrayInvite():
		return p.say("watch.stray")
	case p.BadInvite:
		return p.say("watch.badinvite")
	case p.ShowInvite():
		return p.say("watch.invited")
	case p.Task.Problem != "":
		return p.say("watch.problem")
	case p.OnHold():
		return p.holdWords()
	case !p.HasData():
		return p.say("watch.bring")
	case p.Task.Phase == api.Waiting && p.Task.Participants > 0:
		return p.say("watch.waiting", sentence(p.waitingFor()))
	case p.Task.Phase == api.Waiting && p.Task.Version > 0:
		return p.say("watch.left")
	case p.Task.Phase == api.Waiting && p.Task.Strategy.Fewest > 1:
		return p.say("watch.none.several", p.Task.Strategy.Fewest)
	case p.Task.Phase == api.Waiting:
		return p.say("watch.none")
	case p.Task.Awaited > 0:
		return p.awaitedWords()
	case p.Task.Phase == api.Training || p.Task.Phase == api.Committing:
		return p.say("watch.others", p.Task.Round)
	}
	return p.say("watch.ready")
}

func (p *Page) finished() string {
	rounds := p.Task.Version
	if n := len(p.Rounds); n > 0 {
		rounds = max(rounds, p.Rounds[n-1].Round)
	}
	words := p.say("finished")
	if e := p.Task.Evaluation; e != nil && e.RMSE != nil {
		words = p.say("finished.error", p.amount(e.RMSE))
	} else if a := p.Task.TestAccuracy; a != nil {
		words = p.say("finished.accuracy", p.percent(a))
	}
	if rounds > 0 {
		words = p.say("finished.after", words, rounds)
	}
	return words
}

// Tone is the kind of the state, for its colour: busy, calm, trouble or done.
func (p *Page) Tone() string {
	switch {
	case p.Stage == StageStopped,
		p.Stage == StageRunning && (p.Local.Connection == tab.Reconnecting || !p.Taking() || p.NoData()),
		p.Stage == StageAbsent && !p.Over() && (p.Link == LinkLost || p.Problem != "" || p.Task.Problem != "" || p.BadInvite || p.StrayInvite()):
		return "trouble"
	case p.Stage == StageAbsent && p.Over():
		return "done"
	case p.Stage == StageStarting,
		p.Working() && p.busy():
		return "busy"
	}
	return "calm"
}

// busy reports whether the tab works, or waits for what comes within seconds.
func (p *Page) busy() bool {
	switch p.Local.Activity {
	case tab.Training, tab.Packing, tab.Sending, tab.Downloading, tab.Agreeing, tab.Summing:
		return true
	}
	return false
}

// Aside is a second, quieter sentence below the state; often empty.
func (p *Page) Aside() string {
	switch {
	case p.Stage == StageStopped:
		return p.say("aside.stopped")
	case p.ShowReload():
		return p.say("aside.reload")
	case p.Taking() && p.LateInvite:
		return p.say("aside.lateinvite")
	case p.Uninvited() && p.invited:
		return p.say("invite.ask")
	case p.Stage == StageAbsent && p.Link != LinkLost && p.StrayInvite():
		return sentences(p.say("invite.ask"), p.withoutInvite())
	case p.Uninvited(), p.Stage == StageAbsent && p.Link != LinkLost && !p.BadInvite && p.ShowInvite():
		return p.say("invite.open")
	case p.Stage == StageAbsent && p.Link != LinkLost && p.BadInvite:
		return sentences(p.say("invite.damaged"), p.withoutInvite())
	case p.Superseded():
		return p.say("aside.superseded")
	case p.Stage == StageRunning && p.Local.Connection == tab.Joined && p.Local.DataFailures > 0:
		if p.NoData() {
			return p.dataAside()
		}
		return sentences(p.say("aside.data", p.phrase(p.Local.DataError)), p.dataAside())
	case p.Stage == StageRunning && p.Local.Refusal != "":
		return p.whenTurnedAway(p.Local.Refusal, p.Local.Detail)
	case p.Taking() && p.Local.Refused > 0:
		return p.refusedWords() + "."
	case p.Stage == StageRunning && p.Local.Detail != "":
		return sentence(p.phrase(p.Local.Detail))
	case p.Link == LinkLost && p.Stage != StageAbsent:
		return p.say("aside.old", p.unlinked())
	case p.Stage == StageAbsent && p.Link == LinkLost && p.Door.Code != "":
		return p.whenTurnedAway(p.Door.Code, p.Door.Error)
	case p.Over() && p.Task.Finished != "":
		return sentence(p.phrase(p.Task.Finished))
	case p.Task.Problem != "":
		return p.say("aside.problem", sentence(p.phrase(p.Task.Problem)))
	case p.Working() && p.Local.Activity == tab.Agreeing:
		return p.say("aside.agreeing")
	case p.Working() && p.Local.Activity == tab.Summing:
		return p.say("aside.summing")
	case p.Slow:
		return p.say("aside.slow")
	case p.Kernel == "scalar":
		return p.say("aside.kernel")
	}
	return ""
}

// JoinLabel is the text of the join button.
func (p *Page) JoinLabel() string {
	switch {
	case p.Stage == StageStopped:
		return p.say("join.restart")
	case p.ShowReload():
		return p.say("join.again")
	case p.Superseded():
		return p.say("join.new")
	}
	return p.say("join")
}

// PauseLabel is the text of the button that pauses and resumes.
func (p *Page) PauseLabel() string {
	if p.Paused {
		return p.say("resume")
	}
	return p.say("pause")
}

// Title is the text of the browser tab.
func (p *Page) Title() string {
	switch {
	case p.Kind == AbsentKind:
		return p.say("title.state", p.say("absent.title"))
	case p.Selected != "" && (p.Kind == ScreenKind || p.Stage == StageAbsent && !p.Over()):
		return p.say("title.state", p.TaskTitle())
	case p.Stage == StageAbsent && !p.Over():
		return p.say("title")
	}
	return p.say("title.state", p.state(false))
}

// ModelWords describes the model that is trained.
func (p *Page) ModelWords() string {
	m := &p.Task.Model
	switch {
	case m.Summary == "":
		return dash
	case m.Parameters == 0:
		return p.phrase(m.Summary)
	}
	return p.say("model", p.phrase(m.Summary), m.Parameters)
}

// DataWords describes the data and where it comes from.
func (p *Page) DataWords() string {
	if p.Task.Data.Summary == "" {
		return dash
	}
	return p.phrase(p.Task.Data.Summary)
}

// StrategyWords describes how the participants' models are combined.
func (p *Page) StrategyWords() string {
	if p.Task.Strategy.Summary == "" {
		return dash
	}
	return p.phrase(p.Task.Strategy.Summary)
}

// GoalWords says when the training ends.
func (p *Page) GoalWords() string {
	var parts []string
	stop := &p.Task.Stop
	for _, g := range stop.Goals {
		what := p.phrase(g.Words)
		switch {
		case g.Falls:
			parts = append(parts, p.say("goal.falls", what, p.Lang.Amount(g.Reach)))
		case g.Metric == "r2":
			parts = append(parts, p.say("goal.number", what, g.Reach))
		default:
			parts = append(parts, p.say("goal.share", what, p.Lang.Share(g.Reach)))
		}
	}
	if stop.Rounds > 0 {
		parts = append(parts, p.say("rounds", stop.Rounds))
	}
	if stop.Seconds > 0 {
		parts = append(parts, p.Lang.Duration(stop.Seconds))
	}
	if len(parts) == 0 {
		return dash
	}
	return strings.Join(parts, " "+p.say("list.or")+" ")
}

// EvaluatedWords says which version the test figures belong to.
func (p *Page) EvaluatedWords() string {
	t := &p.Task
	if t.TestAccuracy == nil && t.TestLoss == nil {
		return p.say("evaluated.not")
	}
	words := p.say("evaluated", t.Evaluated)
	if e := t.Evaluation; e != nil && e.Participants > 0 {
		words = p.say("evaluated.holdouts", t.Evaluated, e.Participants)
		if s := e.Spread; s != nil && e.Accuracy != nil {
			share := func(x float64) string { return p.Lang.Percent(x, 0) }
			words = p.say("evaluated.spread", words, share(s.Min), share(s.Max), share(s.Lower), share(s.Upper))
		}
	}
	return words
}

// RoundWords says how many rounds there will be at most.
func (p *Page) RoundWords() string {
	if p.Task.Stop.Rounds == 0 {
		return ""
	}
	return p.say("rounds.most", p.Task.Stop.Rounds)
}

// KernelWords names the arithmetic that the worker uses.
func (p *Page) KernelWords() string {
	switch p.Kernel {
	case "":
		return dash
	case "wasm-relaxed":
		return p.say("kernel.relaxed")
	case "wasm-simd128":
		return p.say("kernel.simd")
	case "scalar":
		return p.say("kernel.scalar")
	}
	return p.Kernel
}

// ExamplesWords says how many examples are here, and how much is still to come.
func (p *Page) ExamplesWords() string {
	l := &p.Local
	if l.ShardsTotal > 0 && l.Shards < l.ShardsTotal {
		return p.say("examples.part", l.Examples, l.Shards, l.ShardsTotal)
	}
	return p.Lang.Count(l.Examples)
}

// ParticipantsWords says by which number the coordinator knows this tab; how many
// participants it has, if it is more than one, and their numbers.
func (p *Page) ParticipantsWords() string {
	l := &p.Local
	switch {
	case l.Participants <= 1 && l.Participant == 0:
		return dash
	case l.Participants <= 1:
		return p.say("participant.number", l.Participant)
	case len(l.Numbers) == 0:
		return p.Lang.Count(l.Participants)
	}
	var numbers []string
	for _, n := range l.Numbers {
		numbers = append(numbers, p.Lang.Count(n))
	}
	all := strings.Join(numbers, ", ")
	if l.Refused > 0 {
		return p.say("participant.some", l.Participants-l.Refused, l.Participants, all)
	}
	return p.say("participant.numbers", l.Participants, all)
}

// TrafficWords says what has travelled in the run, in models,
// as papers count, in bytes, and against raw float32.
func (p *Page) TrafficWords() string {
	t := &p.Task
	if t.BytesUp == 0 && t.BytesDown == 0 {
		return dash
	}
	parts := []string{
		p.say("traffic.up", t.ModelsUp, p.packed(t.BytesUp, t.BitsUp)),
		p.say("traffic.down", t.ModelsDown, p.packed(t.BytesDown, t.BitsDown)),
	}
	switch r := t.RawRatio; {
	case r == nil || *r <= 0:
	case *r < evenRatio:
		parts = append(parts, p.say("traffic.more", p.Lang.Three(1 / *r)))
	default:
		parts = append(parts, p.say("traffic.raw", p.Lang.Three(*r)))
	}
	if t.RolledBack > 0 {
		parts = append(parts, p.say("traffic.back", t.RolledBack))
	}
	return strings.Join(parts, "; ")
}

// evenRatio is the ratio to raw float32 below which a run has sent more than that: a
// little more is the frames around the models.
const evenRatio = .9

// kindKeys are the texts for kinds of messages (package protocol).
var kindKeys = map[string]string{
	"hello": "kind.hello", "welcome": "kind.welcome", "shards": "kind.shards", "order": "kind.order", "model": "kind.model",
	"contribution": "kind.contribution", "ack": "kind.ack", "decline": "kind.decline", "want": "kind.want", "fetch": "kind.fetch",
	"progress": "kind.progress", "tab": "kind.tab", "status": "kind.status", "bye": "kind.bye", "chunk": "kind.chunk", "secure": "kind.secure",
	"constants": "kind.constants", "refused": "kind.refused",
}

// kind names a kind of messages; one that is not known, as the coordinator does.
func (p *Page) kind(name string) string {
	if key := kindKeys[name]; key != "" {
		return p.say(key)
	}
	return name
}

// KindsWords says which kinds of messages took most of the bytes.
func (p *Page) KindsWords() string {
	type kind struct {
		name     string
		up, down int64
	}
	var kinds []kind
	for name, k := range p.Task.Kinds {
		kinds = append(kinds, kind{name, k.Up, k.Down})
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(b.up+b.down, a.up+a.down), cmp.Compare(a.name, b.name))
	})
	var words []string
	rest := int64(0)
	for i, k := range kinds {
		name, up, down := p.kind(k.name), p.Lang.Size(k.up), p.Lang.Size(k.down)
		switch {
		case i >= shownKinds:
			rest += k.up + k.down
		case k.up == 0:
			words = append(words, p.say("kinds.down", name, down))
		case k.down == 0:
			words = append(words, p.say("kinds.up", name, up))
		default:
			words = append(words, p.say("kinds.both", name, up, down))
		}
	}
	if rest > 0 {
		words = append(words, p.say("kinds.rest", p.Lang.Size(rest)))
	}
	if len(words) == 0 {
		return dash
	}
	return strings.Join(words, "; ")
}

// shownKinds is how many kinds of messages are named.
const shownKinds = 3

// packed is how much the models of one direction were, in all and for each
// parameter.
func (p *Page) packed(bytes int64, bits *float64) string {
	if bits == nil {
		return p.Lang.Size(bytes)
	}
	return p.say("traffic.packed", p.Lang.Size(bytes), p.Lang.Three(*bits))
}

// modelsWords says how many models went up and down.
func (p *Page) modelsWords(t api.Traffic) string {
	return p.Lang.Count(int(t.ModelsUp)) + p.pair() + p.Lang.Count(int(t.ModelsDown))
}

// bitsWords says how many bits a parameter took up and down; a dash is a
// direction in which no model went.
func (p *Page) bitsWords(t api.Traffic) string {
	if t.BitsUp == nil && t.BitsDown == nil {
		return dash
	}
	return p.three(t.BitsUp) + p.pair() + p.three(t.BitsDown)
}

// pair stands between two numbers: a comma, unless that is the decimal sign.
func (p *Page) pair() string { return p.say("number.pair") + " " }

// rawWords says how many times as much raw float32 is.
func (p *Page) rawWords(t api.Traffic) string {
	if t.RawRatio == nil {
		return dash
	}
	return p.three(t.RawRatio) + "×"
}

// PackedWords says by which codecs this tab's answers go up and versions come
// down, a line each, and where one is not the task's, why.
func (p *Page) PackedWords() string {
	up, down, t := p.Local.Codec, p.Local.CodecDown, &p.Task
	var parts []string
	if p.Secure() {
		parts = append(parts, p.say("packed.masked", t.Privacy.Bits))
	} else if up != "" {
		words := p.say("packed.up", up)
		if up == t.Packing.Up && t.Packing.Bits > 0 {
			words = p.say("packed.up.bits", up, t.Packing.Bits)
		}
		parts = append(parts, p.instead(words, up, t.Packing.Up))
	}
	if down != "" {
		parts = append(parts, p.instead(p.say("packed.down", down), down, t.Packing.Down))
	}
	if len(parts) == 0 {
		return dash
	}
	return strings.Join(parts, ";\n")
}

// instead adds to words on a codec why it was taken, if it is not the task's: this tab
// lacks that one, or a version came in full, by itself.
func (p *Page) instead(words, codec, task string) string {
	switch {
	case task == "" || codec == task:
		return words
	case len(p.Codecs) > 0 && !slices.Contains(p.Codecs, task):
		return p.say("packed.lacks", words, task)
	}
	return p.say("packed.instead", words, task)
}
