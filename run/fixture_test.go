package run

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/strategy"
)

// fakeEnv is an Env in virtual time that runs work at once.
type fakeEnv struct {
	now    time.Time
	timers []*fakeTimer
	held   []func() // Store's while hold is set, Compute's while busy is
	hold   bool
	busy   bool
}

type fakeTimer struct {
	at time.Time
	f  func() // nil once stopped or fired
}

func (e *fakeEnv) Now() time.Time { return e.now }

func (e *fakeEnv) AfterFunc(d time.Duration, f func()) func() {
	t := &fakeTimer{e.now.Add(d), f}
	e.timers = append(e.timers, t)
	return func() { t.f = nil }
}

func (e *fakeEnv) Compute(work func(), then func()) {
	if e.busy {
		// In no particular order: the last comes first.
		e.held = append([]func(){func() { work(); then() }}, e.held...)
		return
	}
	work()
	then()
}

func (e *fakeEnv) Store(work func() error, then func(error)) {
	if e.hold {
		e.held = append(e.held, func() { then(work()) })
		return
	}
	then(work())
}

// release runs the held work.
func (e *fakeEnv) release() {
	e.hold, e.busy = false, false
	held := e.held
	e.held = nil
	for _, f := range held {
		f()
	}
}

// advance lets time pass.
func (e *fakeEnv) advance(d time.Duration) {
	e.now = e.now.Add(d)
	for _, t := range slices.Clone(e.timers) {
		if t.f != nil && !t.at.After(e.now) {
			f := t.f
			t.f = nil
			f()
		}
	}
}

// fakePeer records the messages that it is sent.
type fakePeer struct {
	got     []protocol.Message
	closed  protocol.CloseCode
	detail  string // of the close
	address string
	faults  int
}

func (p *fakePeer) Send(m protocol.Message) { p.got = append(p.got, m) }
func (p *fakePeer) SendShared(s *Shared)    { p.got = append(p.got, s.Message) }
func (p *fakePeer) Address() string         { return p.address }
func (p *fakePeer) Fault()                  { p.faults++ }
func (p *fakePeer) Close(c protocol.CloseCode, detail string) {
	if p.closed == 0 {
		p.closed, p.detail = c, detail
	}
}

// last returns the newest message of a type, or nil.
func last[M protocol.Message](p *fakePeer) (m M) {
	for _, got := range p.got {
		if g, ok := got.(M); ok {
			m = g
		}
	}
	return m
}

// logLines is a Logger that keeps the lines above debug.
type logLines []string

func (l *logLines) Debug(string, ...any)          {}
func (l *logLines) Info(msg string, args ...any)  { l.add(msg, args) }
func (l *logLines) Warn(msg string, args ...any)  { l.add(msg, args) }
func (l *logLines) Error(msg string, args ...any) { l.add(msg, args) }

func (l *logLines) add(msg string, args []any) {
	for _, a := range args {
		msg += fmt.Sprint(" ", a)
	}
	*l = append(*l, msg)
}

func (l *logLines) has(line string) bool { return slices.Contains(*l, line) }

// memoryJournal is a Journal in memory; it returns err if set.
type memoryJournal struct {
	sums     []Sum
	opens    []OpenRound
	departed []uint32
	commits  []Commit

	evaluations []Evaluation
	constants   []data.Constants
	kinds       []string
	entries     []LogEntry
	ledger      Ledger
	paused      string
	pauses      int // that were written, ends included
	finish      string
	limits      []uint32 // of ReserveParticipants
	err         error
	logErr      error // of the event log alone
}

func (j *memoryJournal) ReserveParticipants(_ string, limit uint32) error {
	if j.err == nil {
		j.limits = append(j.limits, limit)
	}
	return j.err
}

func (j *memoryJournal) Depart(_ string, participants []uint32, _ time.Time) error {
	if j.err == nil {
		j.departed = append(j.departed, participants...)
	}
	return j.err
}

func (j *memoryJournal) OpenRound(_ string, r OpenRound) error {
	if j.err == nil {
		j.opens = append(j.opens, r)
	}
	return j.err
}

func (j *memoryJournal) Sum(_ string, s Sum) error {
	if j.err == nil {
		j.sums = append(j.sums, s)
	}
	return j.err
}

// Commit takes a round that is open, like the store.
func (j *memoryJournal) Commit(_ string, c Commit) error {
	if j.err == nil && !slices.ContainsFunc(j.opens, func(o OpenRound) bool { return o.Round == c.Round }) {
		return fmt.Errorf("commit round %d: not open: %w", c.Round, ErrPermanent)
	}
	if j.err == nil {
		j.commits = append(j.commits, c)
	}
	return j.err
}
func (j *memoryJournal) Evaluate(_ string, e Evaluation) error {
	if j.err == nil {
		j.evaluations = append(j.evaluations, e)
	}
	return j.err
}
func (j *memoryJournal) Constants(_ string, c data.Constants) error {
	if j.err == nil {
		j.constants = append(j.constants, c)
	}
	return j.err
}
func (j *memoryJournal) Pause(_, reason string, _ time.Time) error {
	if j.err == nil {
		j.paused = reason
		j.pauses++
	}
	return j.err
}
func (j *memoryJournal) Resume(string) error {
	if j.err == nil {
		j.paused = ""
		j.pauses++
	}
	return j.err
}
func (j *memoryJournal) Finish(_, reason string, _ time.Time) error {
	j.finish = reason
	return j.err
}
func (j *memoryJournal) Log(_ string, entries []LogEntry, l Ledger) error {
	j.ledger = l
	for _, e := range entries {
		j.kinds = append(j.kinds, e.Kind)
	}
	j.entries = append(j.entries, entries...)
	return j.logErr
}

// fixture is a run of a tiny model with a fake Env, Journal and peers.
type fixture struct {
	*Run
	env     *fakeEnv
	journal *memoryJournal
	n       int
}

func newFixture(t testing.TB, edit func(*Config, *strategy.Config)) *fixture {
	t.Helper()
	m, err := learn.New(learn.MLP([]int{2}, nil, 2))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{env: &fakeEnv{now: time.Unix(1e9, 0)}, journal: &memoryJournal{}, n: m.Layout().Size}
	cfg := Config{
		ID: "test", Seed: 1, OrderSeed: 1, Model: m, Journal: f.journal, ResumeGrace: 5 * time.Second, RestartGrace: 30 * time.Second,
		Shards: Shards{Source: "/data/test", Sizes: []int{10, 10, 10, 10}, Divide: true},
		Token:  func(p uint32, _ strategy.Person, _ time.Time) []byte { return []byte{byte(p)} },
	}
	sc := strategy.Config{Kind: "fedavg", Fraction: 1, LR: .1, MinClients: 2, Deadline: time.Minute}
	if edit != nil {
		edit(&cfg, &sc)
	}
	f.n = cfg.Model.Layout().Size
	if cfg.Saved != nil && cfg.Saved.Open != nil {
		f.journal.opens = append(f.journal.opens, *cfg.Saved.Open)
	}
	if sc.Clip == "" && sc.Combine == "" && sc.Kind != "radon" && sc.Kind != "oneshot" {
		sc.Clip = "none" // sums are compared with what was sent
	}
	setup := strategy.Setup{Seed: 1, MinCohort: 2, Parameters: f.n, Convex: true, Secure: setupOf(cfg.Secure)}
	if cfg.Differential != nil {
		setup.Private = &strategy.Private{Noise: 1, Vector: 1, Clip: 1, Population: 2}
		if cfg.ID == "tree" {
			setup.Private.Tree = &strategy.Tree{Participations: 4, Separation: 1}
		}
		if cfg.Secure != nil {
			setup.Private.Distributed, setup.Private.Population = &strategy.Distributed{}, sc.MinClients
		}
		sc = sc.ForPrivate(setup.Private.Population)
	}
	if cfg.Strategy, err = strategy.New(sc, setup); err != nil {
		t.Fatal(err)
	}
	if f.Run, err = New(cfg, f.env); err != nil {
		t.Fatal(err)
	}
	f.Start()
	return f
}

var hello = protocol.Hello{Protocol: protocol.Version, Codecs: []protocol.Codec{protocol.CodecFloat32}, TabState: protocol.TabVisible}

func (f *fixture) join(t testing.TB) (uint32, *fakePeer) {
	t.Helper()
	p := &fakePeer{}
	n, ok := f.Join(&hello, 0, p)
	if !ok {
		t.Fatalf("cannot join: %v", p.closed)
	}
	return n, p
}

// admit joins a new participant once it has a number; joined gets the number, or 0 if
// it is refused.
func (f *fixture) admit(p *fakePeer, joined func(number uint32)) {
	f.Admit(func() {
		n, _ := f.Join(&hello, 0, p)
		joined(n)
	})
}

// contribution answers an order with a delta of equal values.
func (f *fixture) contribution(o *protocol.Order, value float32, weight uint64) *protocol.Contribution {
	v := make([]float32, f.n)
	for i := range v {
		v[i] = value
	}
	return &protocol.Contribution{
		Order: o.Order, Round: o.Round, Weight: weight,
		Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, v)}},
	}
}

// inspect decodes and checks a contribution as a connection would.
func (f *fixture) inspect(c *protocol.Contribution) *Offer {
	return Inspect(c, max(f.cfg.Sums, 1), func(v *protocol.Vector, _ int) ([]float32, error) {
		values := make([]float32, f.n)
		return values, compress.Decode(v.Codec, values, v.Block)
	})
}

func (f *fixture) offer(n uint32, p *fakePeer, c *protocol.Contribution) protocol.Reason {
	f.Offer(n, p, f.inspect(c))
	return last[*protocol.Ack](p).Reason
}

// measured has the metrics of ten examples, half of them right, with a mean loss.
func measured(loss float64) learn.Metrics {
	return learn.Metrics{Sums: learn.Sums{Examples: 10, Loss: 10 * loss, Correct: 5}, Confusion: []int64{5, 5, 0, 0}}
}
