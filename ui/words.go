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

// dash stands where a number is not known.
const dash = "–"

// State says in one sentence what this tab does, or what the training does while
// the tab takes no part.
func (p *Page) State() string { return p.state(true) }

// Announcement is State without the parts that change all the time. Screen
// readers are told of it, so it must not change many times a second.
func (p *Page) Announcement() string { return p.state(false) }

func (p *Page) state(exact bool) string {
	switch p.Stage {
	case StageStarting:
		return "Starting: loading the training program"
	case StageLeaving:
		return "Leaving"
	case StageStopped:
		if p.Why == "" {
			return "The training program stopped"
		}
		return "The training program stopped: " + p.Why
	case StageRunning:
		return p.running(exact)
	}
	return p.watching()
}

func (p *Page) running(exact bool) string {
	l := p.Local
	switch l.Connection {
	case tab.Reconnecting:
		words := turnedAway(l.Refusal) + ", trying again"
		if exact && l.RetrySeconds > 0 {
			words += " in " + count(int(math.Ceil(l.RetrySeconds))) + " s"
		}
		return words
	case tab.Uninvited:
		return sentence(l.Detail)
	case tab.Refused:
		if l.Detail != "" {
			return sentence(l.Detail)
		}
		return "The coordinator does not accept this tab"
	case tab.Superseded:
		return "Another tab has taken this participant's place"
	case tab.Joined:
		// below
	default:
		return "Connecting to the coordinator"
	}
	if p.Paused || l.Activity == tab.Paused {
		return "Paused: this tab takes no part until you resume"
	}
	if p.NoData() {
		return "Cannot fetch data: " + l.DataError + ", trying again"
	}
	switch l.Activity {
	case tab.Downloading:
		if exact && l.ShardsTotal > 1 {
			return "Fetching data: part " + count(min(l.Shards+1, l.ShardsTotal)) + " of " + count(l.ShardsTotal)
		}
		return "Fetching data"
	case tab.Training:
		words := "Training round " + count(l.Round)
		if exact && l.Total > 0 {
			words += ": " + count(l.Done) + " of " + count(l.Total) + " examples"
		}
		return words
	case tab.Sending:
		return "Sending what was learned in round " + count(l.Round)
	}
	if p.Task.Phase == api.Waiting {
		return "Joined: " + p.waitingFor()
	}
	if p.Task.Awaited > 0 {
		return p.Task.awaitedWords()
	}
	return "Waiting for the next round"
}

// awaitedWords says whom the run waits for after a restart, and until when.
func (t *Task) awaitedWords() string {
	words := "Restarted: round " + count(t.Round) + " waits for " + plural(t.Awaited, "participant") + " to reconnect"
	if until, err := time.Parse(time.RFC3339, t.AwaitedUntil); err == nil {
		words += ", until " + until.Local().Format("15:04:05")
	}
	return words
}

// waitingFor says how many participants a waiting run lacks.
func (p *Page) waitingFor() string {
	missing := p.Task.Strategy.Fewest - p.Task.Participants
	if s := p.Task.Survey; s != nil {
		missing = s.Fewest - s.Ready
	}
	switch {
	case missing == 1:
		return "waiting for one more participant"
	case missing > 1:
		return "waiting for " + count(missing) + " more participants"
	case p.Task.Survey != nil:
		return "collecting the means by which everybody's numbers are standardised"
	}
	if p.Task.Strategy.Fewest > 0 {
		return "waiting for the next round"
	}
	return "waiting for more participants"
}

// watching says what the training does while this tab takes no part.
func (p *Page) watching() string {
	switch {
	case p.Problem != "":
		return p.Problem
	case p.Over():
		return p.finished()
	case p.Link == LinkLost:
		return p.unlinked() + ", trying again"
	case !p.Loaded:
		return "Loading"
	case p.StrayInvite():
		return "This invite is to a task that this coordinator does not have"
	case p.BadInvite:
		return "This is not a valid invite"
	case p.ShowInvite():
		return "This task is joined by invite"
	case p.Task.Problem != "":
		return "Training is held up"
	case !p.HasData():
		return "Bring your data to take part"
	case p.Task.Phase == api.Waiting && p.Task.Participants > 0:
		return sentence(p.waitingFor()) + ": join to take part"
	case p.Task.Phase == api.Waiting && p.Task.Version > 0:
		return "No participant is here now: join to go on with the training"
	case p.Task.Phase == api.Waiting && p.Task.Strategy.Fewest > 1:
		return "No participant yet: training starts when " + count(p.Task.Strategy.Fewest) + " have joined"
	case p.Task.Phase == api.Waiting:
		return "No participant yet: join to start the training"
	case p.Task.Awaited > 0:
		return p.Task.awaitedWords()
	case p.Task.Phase == api.Training || p.Task.Phase == api.Committing:
		return "Round " + count(p.Task.Round) + " is being trained by others: join to take part"
	}
	return "Ready to join"
}

func (p *Page) finished() string {
	words := "Training is finished"
	rounds := p.Task.Round
	if n := len(p.Rounds); n > 0 {
		rounds = p.Rounds[n-1].Round
	}
	if e := p.Task.Evaluation; e != nil && e.RMSE != nil {
		words += ": typical test error " + figure(e.RMSE).amount()
	} else if a := p.Task.TestAccuracy; a != nil {
		words += ": " + percent(*a, 2) + " test accuracy"
	}
	if rounds > 0 {
		words += " after " + plural(rounds, "round")
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
		p.Working() && (p.Local.Activity == tab.Training || p.Local.Activity == tab.Sending || p.Local.Activity == tab.Downloading):
		return "busy"
	}
	return "calm"
}

// Aside is a second, quieter sentence below the state; often empty.
func (p *Page) Aside() string {
	switch {
	case p.Stage == StageStopped:
		return "Nothing is lost on the coordinator. You can start again with a fresh program."
	case p.ShowReload():
		return "Reload the page: that fetches its newest version. If this happens again, tell the organiser."
	case p.Taking() && p.LateInvite:
		return "This tab takes part already, and has not taken the invite that you opened. To use it, leave first, and open it again."
	case p.Uninvited() && p.invited:
		return askInvite
	case p.Stage == StageAbsent && p.Link != LinkLost && p.StrayInvite():
		return askInvite + p.withoutInvite()
	case p.Uninvited(), p.Stage == StageAbsent && p.Link != LinkLost && !p.BadInvite && p.ShowInvite():
		return "Open the link that you were given, or paste it below."
	case p.Stage == StageAbsent && p.Link != LinkLost && p.BadInvite:
		return "Its link is damaged, or not whole: open or paste the whole link that you were given." + p.withoutInvite()
	case p.Superseded():
		return "This tab stays out of it. The other one goes on where this one was, and nothing is lost. You can join from here too, as a new participant."
	case p.Stage == StageRunning && p.Local.Connection == tab.Joined && p.Local.DataFailures > 0:
		if p.NoData() {
			return p.Local.dataAside()
		}
		return "A part of the data cannot be fetched: " + p.Local.DataError + ". " + p.Local.dataAside()
	case p.Stage == StageRunning && p.Local.Refusal != "":
		return whenTurnedAway(p.Local.Refusal, p.Local.Detail)
	case p.Taking() && p.Local.Refused > 0:
		return p.Local.refusedWords() + "."
	case p.Stage == StageRunning && p.Local.Detail != "":
		return sentence(p.Local.Detail)
	case p.Link == LinkLost && p.Stage != StageAbsent:
		return "The coordinator's figures on this page may be old. " + p.unlinked() + "."
	case p.Stage == StageAbsent && p.Link == LinkLost && p.Door.Code != "":
		return whenTurnedAway(p.Door.Code, p.Door.Error)
	case p.Over() && p.Task.Finished != "":
		return sentence(p.Task.Finished)
	case p.Task.Problem != "":
		return sentence(p.Task.Problem) + ". Nothing that is learned so far is lost."
	case p.Slow:
		return "This browser has no WebAssembly SIMD: training works, but is many times slower."
	}
	return ""
}

const askInvite = "Ask the person who invited you for a new link. Open it, or paste it below."

// JoinLabel is the text of the join button.
func (p *Page) JoinLabel() string {
	switch {
	case p.Stage == StageStopped:
		return "Start again"
	case p.ShowReload():
		return "Try again"
	case p.Superseded():
		return "Join as a new participant"
	}
	return "Join training"
}

// PauseLabel is the text of the button that pauses and resumes.
func (p *Page) PauseLabel() string {
	if p.Paused {
		return "Resume"
	}
	return "Pause"
}

// Title is the text of the browser tab.
func (p *Page) Title() string {
	if p.Stage == StageAbsent && !p.Over() {
		return "fedtab: federated learning in browser tabs"
	}
	return p.Announcement() + " · fedtab"
}

// ModelWords describes the model that is trained.
func (t *Task) ModelWords() string {
	if t.Model.Summary == "" {
		return dash
	}
	if t.Model.Parameters == 0 {
		return t.Model.Summary
	}
	return t.Model.Summary + " (" + count(t.Model.Parameters) + " parameters)"
}

// DataWords describes the data and where it comes from.
func (t *Task) DataWords() string {
	if t.Data.Summary == "" {
		return dash
	}
	return t.Data.Summary
}

// PrivacyWords says where the data comes from and that it stays here.
func (t *Task) PrivacyWords() string {
	if t.Data.Own != nil {
		return "Every participant trains on data of their own, which never leaves their tab."
	}
	const stays = "Training happens in this tab; examples never leave it. Only what was learned travels: changes of the model's parameters."
	if t.Data.Public {
		return "This data is public, so the coordinator hands out parts of it. " + stays
	}
	return stays
}

// StrategyWords describes how the participants' models are combined.
func (t *Task) StrategyWords() string {
	if t.Strategy.Summary == "" {
		return dash
	}
	return t.Strategy.Summary
}

// GoalWords says when the training ends.
func (t *Task) GoalWords() string {
	var parts []string
	for _, g := range t.Stop.Goals {
		switch {
		case g.Falls:
			parts = append(parts, g.Words+" "+Figure{g.Reach, true}.amount()+" or less")
		case g.Metric == "r2":
			parts = append(parts, g.Words+" "+short(g.Reach))
		default:
			parts = append(parts, strconv.FormatFloat(math.Round(g.Reach*1e8)/1e6, 'f', -1, 64)+"% "+g.Words)
		}
	}
	if t.Stop.Rounds > 0 {
		parts = append(parts, plural(t.Stop.Rounds, "round"))
	}
	if t.Stop.Seconds > 0 {
		parts = append(parts, seconds(t.Stop.Seconds))
	}
	if len(parts) == 0 {
		return dash
	}
	return strings.Join(parts, " or ")
}

// EvaluatedWords says which version the test figures belong to.
func (t *Task) EvaluatedWords() string {
	if t.TestAccuracy == nil && t.TestLoss == nil {
		return "not evaluated yet"
	}
	words := "model version " + count(t.Evaluated)
	if e := t.Evaluation; e != nil && e.Participants > 0 {
		words += ", on the hold-outs of " + plural(e.Participants, "participant")
		if s := e.Spread; s != nil && e.Accuracy != nil {
			words += ": " + percent(s.Min, 0) + " to " + percent(s.Max, 0) + ", half of them " + percent(s.Lower, 0) + " to " + percent(s.Upper, 0)
		}
	}
	return words
}

// RoundWords says how many rounds there will be at most.
func (t *Task) RoundWords() string {
	if t.Stop.Rounds == 0 {
		return ""
	}
	return "of at most " + count(t.Stop.Rounds)
}

// KernelWords names the arithmetic that the worker uses.
func KernelWords(kernel string) string {
	switch kernel {
	case "":
		return dash
	case "wasm-simd128":
		return "WebAssembly, SIMD"
	case "scalar":
		return "WebAssembly, no SIMD"
	}
	return kernel
}

// ExamplesWords says how many examples are here, and how much is still to come.
func (l *Local) ExamplesWords() string {
	if l.ShardsTotal > 0 && l.Shards < l.ShardsTotal {
		return count(l.Examples) + " (part " + count(l.Shards) + " of " + count(l.ShardsTotal) + ")"
	}
	return count(l.Examples)
}

// ParticipantWords is the number by which the coordinator knows this tab.
func (l *Local) ParticipantWords() string {
	if l.Participant == 0 {
		return dash
	}
	return "No. " + count(l.Participant)
}

// ParticipantsWords says how many participants this tab has, if it is more than
// one, and their numbers.
func (l *Local) ParticipantsWords() string {
	if l.Participants <= 1 {
		return l.ParticipantWords()
	}
	if len(l.Numbers) == 0 {
		return count(l.Participants)
	}
	var numbers []string
	for _, n := range l.Numbers {
		numbers = append(numbers, count(n))
	}
	joined := count(l.Participants)
	if l.Refused > 0 {
		joined = count(l.Participants-l.Refused) + " of " + joined
	}
	return joined + ": No. " + strings.Join(numbers, ", ")
}

// TrafficWords says what has travelled in the run, in models,
// as papers count, in bytes, and against raw float32.
func (t *Task) TrafficWords() string {
	if t.BytesUp == 0 && t.BytesDown == 0 {
		return dash
	}
	words := plural(int(t.ModelsUp), "model") + " up, " + packed(t.BytesUp, figure(t.BitsUp)) +
		"; " + count(int(t.ModelsDown)) + " down, " + packed(t.BytesDown, figure(t.BitsDown))
	if t.RawRatio != nil {
		words += "; raw float32 is " + three(*t.RawRatio) + " times as much"
	}
	if t.RolledBack > 0 {
		words += "; " + plural(int(t.RolledBack), "round") + " rolled back"
	}
	return words
}

// KindsWords says which kinds of messages took most of the bytes.
func (t *Task) KindsWords() string {
	type kind struct {
		name     string
		up, down int64
	}
	var kinds []kind
	for name, k := range t.Kinds {
		kinds = append(kinds, kind{name, k.Up, k.Down})
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(b.up+b.down, a.up+a.down), cmp.Compare(a.name, b.name))
	})
	var words []string
	rest := int64(0)
	for i, k := range kinds {
		switch {
		case i >= shownKinds:
			rest += k.up + k.down
		case k.up == 0:
			words = append(words, k.name+" "+size(k.down)+" down")
		case k.down == 0:
			words = append(words, k.name+" "+size(k.up)+" up")
		default:
			words = append(words, k.name+" "+size(k.up)+" up, "+size(k.down)+" down")
		}
	}
	if rest > 0 {
		words = append(words, "the rest "+size(rest))
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
func packed(bytes int64, bits Figure) string {
	if !bits.Known {
		return size(bytes)
	}
	return size(bytes) + ", " + three(bits.Value) + " bits a parameter"
}

// modelsWords says how many models went up and down.
func modelsWords(t api.Traffic) string {
	return count(int(t.ModelsUp)) + ", " + count(int(t.ModelsDown))
}

// bitsWords says how many bits a parameter took up and down; a dash is a
// direction in which no model went.
func bitsWords(t api.Traffic) string {
	if t.BitsUp == nil && t.BitsDown == nil {
		return dash
	}
	return figure(t.BitsUp).three() + ", " + figure(t.BitsDown).three()
}

// rawWords says how many times as much raw float32 is.
func rawWords(t api.Traffic) string {
	if t.RawRatio == nil {
		return dash
	}
	return three(*t.RawRatio) + "×"
}

// PackedWords says by which codecs this tab's answers go up and versions come
// down, a line each, and where one is not the task's, why.
func (p *Page) PackedWords() string {
	up, down, t := p.Local.Codec, p.Local.CodecDown, &p.Task
	var parts []string
	if up != "" {
		bits := ""
		if up == t.Packing.Up && t.Packing.Bits == 1 {
			bits = ", 1 bit"
		} else if up == t.Packing.Up && t.Packing.Bits > 0 {
			bits = ", " + short(t.Packing.Bits) + " bits"
		}
		parts = append(parts, up+bits+" up"+p.instead(up, t.Packing.Up))
	}
	if down != "" {
		parts = append(parts, down+" down"+p.instead(down, t.Packing.Down))
	}
	if len(parts) == 0 {
		return dash
	}
	return strings.Join(parts, ";\n")
}

// instead says why a codec was taken that is not the task's: this tab lacks that
// one, or a version came in full, by itself.
func (p *Page) instead(codec, task string) string {
	switch {
	case task == "" || codec == task:
		return ""
	case len(p.Codecs) > 0 && !slices.Contains(p.Codecs, task):
		return " (this tab lacks " + task + ")"
	}
	return " (in place of " + task + ")"
}
