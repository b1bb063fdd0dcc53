package main

import (
	"slices"
)

// Task is a training task as the coordinator describes it.
type Task struct {
	Name        string
	Title       string
	Description string
	Run         string
	Phase       string // waiting, training, committing or finished

	Model      string // in words: "784-200-200-10, ReLU, softmax"
	Parameters int

	Data       string // in words: "MNIST: 60,000 handwritten digits"
	DataPublic bool   // the coordinator hands the data out
	Classes    int

	Strategy string // in words

	PackingUp   string  // the codec by which participants pack their answers
	PackingBits float64 // for a parameter, asked of it; 0 if it has no choice
	PackingDown string  // the codec by which versions come

	Round        int
	Version      int
	Participants int
	Evaluated    int // the version that TestLoss and TestAccuracy belong to
	TestLoss     Figure
	TestAccuracy Figure
	BytesUp      float64
	BytesDown    float64
	ModelsUp     int // vectors as long as the model, however packed
	ModelsDown   int
	Density      Density
	Messages     string // which took most, in words
	RolledBack   int    // versions that were not made
	Finished     string // why the run ended, empty while it goes on

	StopRounds   int
	StopAccuracy Figure
	StopSeconds  float64
}

// TaskName is one entry of the coordinator's list of tasks.
type TaskName struct {
	Name, Title, Phase string
}

// Round is what is known of one round of training.
type Round struct {
	Number       int
	Participants int
	TrainLoss    Figure
	TestLoss     Figure
	TestAccuracy Figure
	BytesUp      float64
	BytesDown    float64
	ModelsUp     int
	ModelsDown   int
	Density      Density
	Rate         Figure // effective learning rate
	Seconds      float64
}

// Density is what parameters have cost to move, as the coordinator reckons it.
type Density struct {
	BitsUp   Figure // for a parameter of a model, everything counted
	BitsDown Figure
	RawRatio Figure // what the same models are as raw float32, by what has travelled
}

// Figure is a number that may not be known yet.
type Figure struct {
	Value float64
	Known bool
}

// Link is the state of the page's connection to the coordinator's event stream.
type Link int

const (
	LinkOpening Link = iota
	LinkOpen
	LinkLost
)

// Stage is where this tab's Web Worker is in its life.
type Stage int

const (
	StageAbsent   Stage = iota // there is none
	StageStarting              // created; its program is loading
	StageRunning               // the program runs and has been told to join
	StageLeaving               // told to leave, not gone yet
	StageStopped               // the program ended by itself; Why says how
)

// Local is what this tab's Web Worker last said of itself.
type Local struct {
	Connection   string // connecting, joined, reconnecting, left, refused, superseded or finished
	Participant  int    // number within the run
	Participants int    // in this tab
	Numbers      string // of all of them
	Codec        string // by which the last answer was packed
	CodecDown    string // by which the newest version came; empty before the first
	Activity     string // idle, downloading, waiting, training, sending or paused
	Detail       string // more, in words for people

	Round         int
	Shards        int
	ShardsTotal   int
	Examples      int
	Done          int // examples of this order that are trained
	Total         int
	Loss          Figure
	Accuracy      Figure
	Rate          float64 // samples per second
	Contributions int
	BytesUp       float64
	BytesDown     float64
	RetrySeconds  float64
}

// Page is everything the page shows. Its zero value is the page before anything
// has arrived.
type Page struct {
	Ready bool // the program runs: buttons can be pressed
	Slow  bool // the browser lacks SIMD, the scalar build is used

	Link     Link
	Tasks    []TaskName
	Selected string // the name of the task that is shown
	Loaded   bool   // Task is filled in
	Problem  string // why the task cannot be shown
	Task     Task
	Rounds   []Round // ascending by number

	Stage  Stage
	Why    string // StageStopped: what happened
	Kernel string
	Codecs []string // that the worker has
	Paused bool     // the person asked for a pause
	Local  Local
}

// Select shows another task, whose description is still to come.
func (p *Page) Select(name string) {
	if name == p.Selected {
		return
	}
	p.Selected = name
	p.Loaded = false
	p.Problem = ""
	p.Task = Task{Name: name}
	for _, t := range p.Tasks {
		if t.Name == name {
			p.Task.Title = t.Title
		}
	}
	p.Rounds = nil
	p.Link = LinkOpening
	if p.Stage == StageStopped {
		p.Stage = StageAbsent
	}
	if p.Stage == StageAbsent {
		p.Local = Local{}
		p.Kernel, p.Codecs = "", nil
	}
}

// Choose returns the task to show: the one wanted if it exists, or else the
// first that is not finished, or else the first. It is empty without tasks.
func (p *Page) Choose(wanted string) string {
	open := ""
	for _, t := range p.Tasks {
		if t.Name == wanted {
			return wanted
		}
		if open == "" && t.Phase != phaseFinished {
			open = t.Name
		}
	}
	if open == "" && len(p.Tasks) > 0 {
		open = p.Tasks[0].Name
	}
	return open
}

const phaseFinished = "finished"

// OnTasks takes in the coordinator's list of tasks.
func (p *Page) OnTasks(list []any) {
	p.Tasks = p.Tasks[:0]
	for _, v := range list {
		if o := asObject(v); o.text("name") != "" {
			p.Tasks = append(p.Tasks, TaskName{Name: o.text("name"), Title: o.text("title"), Phase: o.text("phase")})
		}
	}
}

// OnTask takes in the description of the shown task, with its past rounds.
// Descriptions travel beside the event stream, so what it says of the moment may
// be older than what the stream has said; then the newer is kept.
func (p *Page) OnTask(o map[string]any) {
	d := object(o)
	if d.text("name") != p.Selected {
		return
	}
	sameRun := p.Loaded && d.text("run") == p.Task.Run
	next := parseTask(d)
	if sameRun && (next.Version < p.Task.Version || next.Round < p.Task.Round) {
		next.Phase, next.Finished = p.Task.Phase, p.Task.Finished
		next.Round, next.Version, next.Participants = p.Task.Round, p.Task.Version, p.Task.Participants
	}
	if sameRun && next.Evaluated < p.Task.Evaluated {
		next.Evaluated, next.TestLoss, next.TestAccuracy = p.Task.Evaluated, p.Task.TestLoss, p.Task.TestAccuracy
	}
	if !sameRun {
		p.Rounds = nil
	}
	p.Task = next
	p.Loaded = true
	p.Problem = ""
	for _, v := range d.list("rounds") {
		p.addRound(parseRound(asObject(v)))
	}
}

// OnState takes in a state event of the stream: a description without rounds.
// It reports whether it belongs to another run than the rounds already here, so
// that the whole description has to be fetched again.
func (p *Page) OnState(o map[string]any) (stale bool) {
	d := object(o)
	if d.text("name") != p.Selected {
		return false
	}
	stale = !p.Loaded || d.text("run") != p.Task.Run
	if stale {
		p.Rounds = nil
	}
	p.Task = parseTask(d)
	p.Loaded = true
	p.Problem = ""
	return stale
}

// OnRound takes in one round: a new one, or more about one already here.
func (p *Page) OnRound(o map[string]any) {
	p.addRound(parseRound(object(o)))
}

// OnLink takes in a change of the connection to the event stream.
func (p *Page) OnLink(l Link) { p.Link = l }

// OnProblem takes in why the shown task could not be had.
func (p *Page) OnProblem(words string) { p.Problem = words }

func (p *Page) addRound(r Round) {
	if r.Number <= 0 {
		return
	}
	i, found := slices.BinarySearchFunc(p.Rounds, r.Number, func(e Round, n int) int { return e.Number - n })
	if !found {
		p.Rounds = slices.Insert(p.Rounds, i, r)
		return
	}
	old := p.Rounds[i]
	for _, f := range []struct{ new, old *Figure }{
		{&r.TestLoss, &old.TestLoss}, {&r.TestAccuracy, &old.TestAccuracy}, {&r.TrainLoss, &old.TrainLoss},
	} {
		if !f.new.Known {
			*f.new = *f.old
		}
	}
	p.Rounds[i] = r
}

// Series returns the rounds whose figure is known, as the x and y of a chart.
func (p *Page) Series(figure func(Round) Figure) (x, y []float64) {
	for _, r := range p.Rounds {
		if f := figure(r); f.Known {
			x = append(x, float64(r.Number))
			y = append(y, f.Value)
		}
	}
	return x, y
}

// Newest returns at most n rounds, the newest first.
func (p *Page) Newest(n int) []Round {
	rounds := slices.Clone(p.Rounds[max(0, len(p.Rounds)-n):])
	slices.Reverse(rounds)
	return rounds
}

// The life of the worker, as the page drives it.

// Join notes that a worker has been created.
func (p *Page) Join() {
	p.Stage = StageStarting
	p.Why, p.Kernel, p.Codecs = "", "", nil
	p.Paused = false
	p.Local = Local{}
}

// OnReady takes in the worker's first message: its program runs, and has these
// codecs.
func (p *Page) OnReady(kernel string, codecs ...string) {
	p.Kernel, p.Codecs = kernel, codecs
	if p.Stage == StageStarting {
		p.Stage = StageRunning
		p.Local.Connection = "connecting"
	}
}

// OnWorkerState takes in what the worker says of itself. It reports whether the
// worker has nothing more to do and can be ended.
func (p *Page) OnWorkerState(o map[string]any) (done bool) {
	next := parseLocal(object(o))
	if next.Connection == "left" && p.Stage != StageLeaving {
		return false // it has not heard yet that it is to join
	}
	p.Local = next
	switch p.Local.Connection {
	case "left":
		p.OnGone()
		return true
	case "finished":
		p.Task.Phase = phaseFinished
		p.Stage = StageAbsent
		p.Paused = false
		return true
	case "refused", "superseded":
		return true
	}
	return false
}

// Pause notes that the person asked for a pause, or for its end.
func (p *Page) Pause(on bool) { p.Paused = on }

// Leave notes that the worker was told to leave.
func (p *Page) Leave() {
	if p.Stage == StageStarting || p.Stage == StageRunning {
		p.Stage = StageLeaving
	}
}

// OnGone takes in that the worker has been ended by the page.
func (p *Page) OnGone() {
	p.Stage = StageAbsent
	p.Paused = false
	p.Local.Connection = "left"
}

// OnExit takes in that the worker's program ended by itself.
func (p *Page) OnExit(detail string) {
	if p.Stage == StageLeaving {
		p.OnGone()
		return
	}
	p.Stage = StageStopped
	p.Why = detail
	p.Paused = false
}

// Taking reports whether this tab takes part, or is about to.
func (p *Page) Taking() bool {
	switch p.Stage {
	case StageStarting, StageLeaving:
		return true
	case StageRunning:
		return p.Local.Connection != "refused" && p.Local.Connection != "superseded"
	}
	return false
}

// Superseded reports whether another tab has taken the place of this one.
func (p *Page) Superseded() bool {
	return p.Stage == StageRunning && p.Local.Connection == "superseded"
}

// Over reports whether the shown task is finished.
func (p *Page) Over() bool { return p.Task.Phase == phaseFinished }

// Which buttons there are.

func (p *Page) ShowJoin() bool   { return !p.Taking() && !p.Over() }
func (p *Page) CanJoin() bool    { return p.Ready && p.Loaded && p.ShowJoin() }
func (p *Page) ShowPause() bool  { return p.Taking() && p.Stage != StageLeaving }
func (p *Page) CanPause() bool   { return p.Stage == StageRunning }
func (p *Page) ShowLeave() bool  { return p.Taking() }
func (p *Page) CanLeave() bool   { return p.Stage != StageLeaving }
func (p *Page) ShowReload() bool { return p.Stage == StageRunning && p.Local.Connection == "refused" }

// Working reports whether the worker is training or about to, which is when the
// screen should stay on.
func (p *Page) Working() bool {
	return p.Stage == StageRunning && p.Local.Connection == "joined" && !p.Paused
}
