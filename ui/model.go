package ui

import (
	"cmp"
	"slices"

	"fedtab/api"
	"fedtab/fields"
	"fedtab/tab"
	"fedtab/words"
)

// Task is a training task as the coordinator describes it.
type Task struct{ api.Task }

// Point is a version that was evaluated, on the learning curve.
type Point struct {
	Round                int
	Loss, Accuracy, RMSE *float64
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
type Local struct{ tab.Report }

// Kind is which page it is.
type Kind string

// The kinds.
const (
	HomeKind   Kind = "home"   // the list of tasks
	TaskKind   Kind = "task"   // one task
	ScreenKind Kind = "screen" // for a projector
	AbsentKind Kind = "absent" // there is no such page
	BenchKind  Kind = "bench"  // how fast this device trains
	LabKind    Kind = "lab"    // the list of the lab's pages
	StandKind  Kind = "stand"  // a page of the lab
)

// Page is everything the page shows. Its zero value is the page before anything
// has arrived.
type Page struct {
	Lang  *words.Language // nil is English
	Kind  Kind
	Root  string // leads from the page's address to the coordinator's root: "", "../", ...
	Slow  bool   // the browser lacks SIMD, scalar Go trains
	Plain bool   // the page came over a network without encryption

	Address   string // of the page to join at, in text
	Organiser string // who runs the coordinator; empty: it does not say
	Metered   bool   // the device's network costs, or is to be spared
	Offline   bool   // the browser has no network
	Build     string // identity of the page's files
	Gone      bool   // the coordinator does not serve the shown task any more

	Settings
	Several string          // as how many participants the person wants to take part, as typed
	Open    map[string]bool // parts of the page that are unfolded

	Link     Link
	Door     api.Door // while the link is lost: why the coordinator refuses it, if it does
	Tasks    []api.Card
	Selected string // the name of the task that is shown; empty: none
	Missing  string // more about a page that there is not
	Loaded   bool   // Task is filled in
	Problem  string // why the task cannot be shown
	Task     Task
	Rounds   []api.Round // the newest, ascending by number
	Curve    []Point     // ascending by round
	drawing  int         // counts the changes of what charts show

	Stage   Stage
	Why     string // StageStopped: what happened
	Kernel  string
	Codecs  []string // that the worker has
	Paused  bool     // the person asked for a pause
	Local   Local
	Held    bool         // the person's settings pause the tab now
	reports []tab.Report // of the tab's workers

	OwnSchema   any      // what the shown task wants of the tab, as it came
	Data        tab.Data // the tab's own
	Answers     tab.Answers
	DataTrouble string // why data could not be brought, before the worker has it
	Camera      bool   // is on
	Try         Trying
	Wall        Wall // pictures that the tab was given
	Snippets    []api.Snippet
	Uncoded     bool          // they could not be had
	Copied      int           // number of the one that was copied last, from 1
	Confusion   tab.Confusion // on the tab's own hold-out
	confused    int           // version that it was asked for last
	earlier     Part          // before the workers that there are
	own         []holdout     // by round
	Moved       Movements
	MovedOpen   bool // the messages that have moved are shown one by one

	Lack Lack // what this browser lacks for the tasks that it shows

	Forgetting bool // the person has asked to forget everything, and is asked again

	Invite     string // code of the invite that the tab has; empty: none
	BadInvite  bool   // what was opened or pasted last is no invite
	LateInvite bool   // an invite was opened while the tab takes part, and is not taken
	invited    bool   // the tab has joined with an invite
}

// Select shows another task, whose description is still to come.
func (p *Page) Select(name string) {
	if name == p.Selected {
		return
	}
	if p.Selected != "" {
		p.BadInvite = false // what was opened with the page stays
	}
	p.Selected = name
	p.Loaded, p.Gone = false, false
	p.Problem = ""
	p.Task = Task{api.Task{Name: name}}
	for _, t := range p.Tasks {
		if t.Name == name {
			p.Task.Title, p.Task.Description, p.Task.Translations = t.Title, t.Description, t.Translations
		}
	}
	p.forget()
	p.OwnSchema, p.Data, p.Answers, p.DataTrouble, p.Forgetting = nil, tab.Data{}, tab.Answers{}, "", false
	p.Try = Trying{}
	p.Snippets, p.Copied = nil, 0
	p.Confusion, p.confused = tab.Confusion{}, 0
	p.OnLink(LinkOpening)
	if p.Stage == StageStopped || p.Uninvited() {
		p.Stage = StageAbsent
	}
	if p.Stage == StageAbsent {
		p.Local = Local{}
		p.Kernel, p.Codecs = "", nil
	}
}

// OnView takes in what the coordinator has rendered the first view from (View), so that
// the program draws the same at first.
func (p *Page) OnView(o map[string]any) {
	var v View
	fields.Fill(&v, o)
	p.Kind, p.Root, p.Missing = v.Kind, v.Root, v.Missing
	p.Settings = p.Settings.reset()
	p.Address, p.Organiser = v.Address, v.Organiser
	if list, ok := o["tasks"].([]any); ok {
		p.OnTasks(list)
	}
	if v.Selected != "" {
		p.Select(v.Selected)
	}
	if task, ok := o["task"].(map[string]any); ok {
		p.OnTask(task)
	}
}

// View is what a first view is rendered from, beside "tasks", the entries of /api/tasks,
// and "task", /api/tasks/NAME.
type View struct {
	Kind      Kind   `json:"kind"`
	Root      string `json:"root"`
	Selected  string `json:"selected"` // name of the task
	Missing   string `json:"missing"`  // of an absent page: more about it
	Address   string `json:"address"`  // of a screen: where to join
	Organiser string `json:"organiser"`
}

// OnTasks takes in the coordinator's list of tasks.
func (p *Page) OnTasks(list []any) {
	p.Tasks = p.Tasks[:0]
	for _, v := range list {
		o, _ := v.(map[string]any)
		var t api.Card
		if fields.Fill(&t, o); t.Name != "" {
			p.Tasks = append(p.Tasks, t)
		}
	}
}

// OnTask takes in the description of the shown task, with its newest rounds and its
// curve. Descriptions travel beside the event stream, so that a figure may be older
// than the stream's; then the newer is kept.
func (p *Page) OnTask(o map[string]any) {
	var next api.Task
	fields.Fill(&next, o)
	if next.Name != p.Selected {
		return
	}
	sameRun := p.Loaded && next.Run == p.Task.Run
	if sameRun && (next.Version < p.Task.Version || next.Round < p.Task.Round) {
		next.Phase, next.Finished, next.Paused = p.Task.Phase, p.Task.Finished, p.Task.Paused
		next.Round, next.Version, next.Participants = p.Task.Round, p.Task.Version, p.Task.Participants
	}
	if sameRun && next.Evaluated < p.Task.Evaluated {
		next.Evaluated, next.TestLoss, next.TestAccuracy = p.Task.Evaluated, p.Task.TestLoss, p.Task.TestAccuracy
		next.Evaluation = p.Task.Evaluation
	}
	if !sameRun {
		p.forget()
	}
	if c := next.Curve; c != nil {
		for i := range min(len(c.Round), len(c.TestLoss), len(c.TestAccuracy)) {
			v := Point{Round: c.Round[i], Loss: c.TestLoss[i], Accuracy: c.TestAccuracy[i]}
			if i < len(c.TestRMSE) {
				v.RMSE = c.TestRMSE[i]
			}
			p.addPoint(v)
		}
	}
	for _, r := range next.Rounds {
		p.addRound(r)
	}
	next.Rounds, next.Curve = nil, nil
	p.Task = Task{next}
	p.Gone = false
	p.OwnSchema = ownSchema(o)
	p.Loaded = true
	p.Problem = ""
}

// OnState takes in a state event of the stream: a description without rounds.
// It reports whether it belongs to another run than the rounds already here, so
// that the whole description has to be fetched again.
func (p *Page) OnState(o map[string]any) (stale bool) {
	var next api.Task
	fields.Fill(&next, o)
	if next.Name != p.Selected {
		return false
	}
	stale = !p.Loaded || next.Run != p.Task.Run
	if stale {
		p.forget()
	}
	next.Fixed, next.Data.FixedData = p.Task.Fixed, p.Task.Data.FixedData // events are without them; the description follows
	p.Task = Task{next}
	p.Loaded = p.Loaded || next.Data.Public
	p.Problem = ""
	return stale
}

// OnRound takes in one round: a new one, or more about one already here.
func (p *Page) OnRound(o map[string]any) {
	var r api.Round
	fields.Fill(&r, o)
	p.addRound(r)
}

// forget drops the rounds of a run that is no longer shown.
func (p *Page) forget() {
	p.Rounds, p.Curve, p.own = nil, nil, nil
	p.drawing++
}

// OnLink takes in a change of the connection to the event stream.
func (p *Page) OnLink(l Link) {
	p.Link = l
	if l != LinkLost {
		p.Door = api.Door{}
	}
}

// OnDoor takes in what the coordinator says of a lost link; anything but a refusal says
// nothing.
func (p *Page) OnDoor(v any) {
	if p.Link == LinkLost {
		o, _ := v.(map[string]any)
		p.Door, _ = refusalOf(o)
	}
}

// refusalOf returns a refusal of the coordinator, if an answer is one.
func refusalOf(o map[string]any) (d api.Door, ok bool) {
	fields.Fill(&d, o)
	return d, d.Code != ""
}

// OnProblem takes in why the shown task could not be had.
func (p *Page) OnProblem(words string) { p.Problem = words }

// keptRounds is how many rounds are kept for the table.
const keptRounds = 2 * shownRounds

func (p *Page) addRound(r api.Round) {
	if r.Round <= 0 {
		return
	}
	p.addPoint(Point{r.Round, r.TestLoss, r.TestAccuracy, r.TestRMSE})
	p.drawing++
	i, found := slices.BinarySearchFunc(p.Rounds, r.Round, func(e api.Round, n int) int { return e.Round - n })
	if !found {
		p.Rounds = slices.Insert(p.Rounds, i, r)
		p.Rounds = slices.Delete(p.Rounds, 0, max(0, len(p.Rounds)-keptRounds))
		return
	}
	old := &p.Rounds[i]
	if r.TestLoss == nil && r.TestAccuracy == nil {
		r.Test = old.Test
	}
	r.TrainLoss = cmp.Or(r.TrainLoss, old.TrainLoss)
	*old = r
}

// addPoint adds a version that was evaluated to the curve. A curve that gets too
// long loses every second point.
func (p *Page) addPoint(v Point) {
	if v.Round <= 0 || v.Loss == nil && v.Accuracy == nil {
		return
	}
	p.drawing++
	i, found := slices.BinarySearchFunc(p.Curve, v.Round, func(e Point, n int) int { return e.Round - n })
	if found {
		old := p.Curve[i]
		p.Curve[i] = Point{v.Round, cmp.Or(v.Loss, old.Loss), cmp.Or(v.Accuracy, old.Accuracy), cmp.Or(v.RMSE, old.RMSE)}
		return
	}
	p.Curve = slices.Insert(p.Curve, i, v)
	if len(p.Curve) > api.MaxPoints {
		half := p.Curve[:0]
		for i := len(p.Curve) % 2; i < len(p.Curve); i += 2 {
			half = append(half, p.Curve[i])
		}
		p.Curve = half
	}
}

// Series returns the points whose figure is known, as the x and y of a chart.
func (p *Page) Series(value func(Point) *float64) (x, y []float64) {
	for _, v := range p.Curve {
		if f := value(v); f != nil {
			x = append(x, float64(v.Round))
			y = append(y, *f)
		}
	}
	return x, y
}

// Newest returns at most n rounds, the newest first.
func (p *Page) Newest(n int) []api.Round {
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
	p.renew()
	p.reports, p.Wall = nil, Wall{}
	p.Confusion, p.confused = tab.Confusion{}, 0
	p.BadInvite, p.LateInvite = false, false
	p.invited = p.InviteTo(p.Selected) != ""
}

// OnReady takes in the worker's first message: its program runs, and has these
// codecs.
func (p *Page) OnReady(kernel string, codecs ...string) {
	p.Kernel, p.Codecs = kernel, codecs
	if p.Stage == StageStarting {
		p.Stage = StageRunning
		p.Local.Connection = tab.Connecting
	}
}

// OnWorkerState takes in what the worker says of itself. It reports whether the
// worker has nothing more to do and can be ended.
func (p *Page) OnWorkerState(o map[string]any) (done bool) {
	return p.OnReport(0, o)
}

// OnReport is OnWorkerState for one of several workers, from 0.
func (p *Page) OnReport(i int, o map[string]any) (done bool) {
	for len(p.reports) <= i {
		p.reports = append(p.reports, tab.Report{})
	}
	fields.Fill(&p.reports[i], o)
	next := merged(p.reports)
	p.earlier.addTo(&next)
	if next.Connection == tab.Left && p.Stage != StageLeaving {
		return false // it has not heard yet that it is to join
	}
	p.Local = Local{next}
	p.onRun(next.Run)
	p.onHoldout(&next)
	switch p.Local.Connection {
	case tab.Left:
		p.OnGone()
		return true
	case tab.Finished:
		p.Task.Phase = api.Finished
		p.Stage = StageAbsent
		p.Paused = false
		return true
	case tab.Uninvited:
		p.Invite = ""
		return true
	case tab.Refused, tab.Superseded:
		return true
	}
	return false
}

// onRun takes in how the coordinator says over the worker's socket that the run stands:
// a hidden page has no events.
func (p *Page) onRun(r *tab.Run) {
	if r == nil {
		return
	}
	t := &p.Task
	if r.Version > t.Version {
		t.Version, t.Round, t.Participants = r.Version, r.Round, r.Participants
	}
	if r.TestAccuracy != nil && r.Evaluated > t.Evaluated { // a regression's error comes with the events alone
		t.Evaluated, t.TestLoss, t.TestAccuracy = r.Evaluated, r.TestLoss, r.TestAccuracy
	}
	if r.Finished != "" {
		t.Finished = r.Finished
	}
}

// Pause notes that the person asked for a pause, or for its end.
func (p *Page) Pause(on bool) { p.Paused = on }

// Leave notes that the worker was told to leave.
func (p *Page) Leave() {
	p.LateInvite = false
	if p.Stage == StageStarting || p.Stage == StageRunning {
		p.Stage = StageLeaving
	}
}

// OnGone takes in that the worker has been ended by the page.
func (p *Page) OnGone() {
	p.Stage = StageAbsent
	p.Paused, p.LateInvite = false, false
	p.Local.Connection = tab.Left
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
		return p.Local.Connection != tab.Refused && p.Local.Connection != tab.Superseded && p.Local.Connection != tab.Uninvited
	}
	return false
}

// Superseded reports whether another tab has taken the place of this one.
func (p *Page) Superseded() bool {
	return p.Stage == StageRunning && p.Local.Connection == tab.Superseded
}

// Over reports whether the shown task is finished.
func (p *Page) Over() bool { return p.Task.Phase == api.Finished }

// Which buttons there are.

func (p *Page) ShowJoin() bool { return !p.Taking() && !p.Over() }
func (p *Page) CanJoin() bool {
	return p.Loaded && p.ShowJoin() && p.HasData() && p.Able() && p.SeveralProblem() == ""
}
func (p *Page) ShowSeveral() bool { return p.ShowJoin() && p.schema() == nil }
func (p *Page) ShowPause() bool   { return p.Taking() && p.Stage != StageLeaving }
func (p *Page) CanPause() bool    { return p.Stage == StageRunning }
func (p *Page) ShowLeave() bool   { return p.Taking() }
func (p *Page) CanLeave() bool    { return p.Stage != StageLeaving }
func (p *Page) ShowReload() bool  { return p.Stage == StageRunning && p.Local.Connection == tab.Refused }

// Working reports whether the worker is training or about to, which is when the
// screen should stay on. A tab that is paused does neither, whoever has paused it.
func (p *Page) Working() bool {
	return p.Stage == StageRunning && p.Local.Connection == tab.Joined && !p.Paused && !p.Held
}
