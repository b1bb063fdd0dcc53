package run

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"

	"pgregory.net/rapid"
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

// memoryJournal is a Journal in memory; it returns err if set.
type memoryJournal struct {
	opens    []OpenRound
	departed []uint32
	commits  []Commit
	kinds    []string
	entries  []LogEntry
	ledger   Ledger
	finish   string
	limits   []uint32 // of ReserveParticipants
	err      error
	logErr   error // of the event log alone
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
func (j *memoryJournal) Evaluate(string, Evaluation) error { return j.err }
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
		ID: "test", Seed: 1, Model: m, Journal: f.journal, ResumeGrace: 5 * time.Second, RestartGrace: 30 * time.Second,
		Shards: Shards{Source: "/data/test", Sizes: []int{10, 10, 10, 10}, Divide: true},
		Token:  func(p uint32, _ time.Time) []byte { return []byte{byte(p)} },
	}
	sc := strategy.Config{Kind: "fedavg", Fraction: 1, LR: .1, MinClients: 2, Deadline: time.Minute}
	if edit != nil {
		edit(&cfg, &sc)
	}
	if cfg.Saved != nil && cfg.Saved.Open != nil {
		f.journal.opens = append(f.journal.opens, *cfg.Saved.Open)
	}
	if sc.Clip == "" && sc.Combine == "" && sc.Kind != "radon" {
		sc.Clip = "none" // sums are compared with what was sent
	}
	if cfg.Strategy, err = strategy.New(sc, strategy.Setup{Seed: 1, MinCohort: 2}); err != nil {
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
	return Inspect(c, 1, func(v *protocol.Vector, _ int) ([]float32, error) {
		values := make([]float32, f.n)
		return values, compress.Decode(v.Codec, values, v.Block)
	})
}

func (f *fixture) offer(n uint32, p *fakePeer, c *protocol.Contribution) protocol.Reason {
	f.Offer(n, p, f.inspect(c))
	return last[*protocol.Ack](p).Reason
}

// A round: welcome, shards, order, contribution, commit, status, and the next
// order with the new model before it.
func TestRound(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	if w := last[*protocol.Welcome](pa); w.Participant != a || w.Parameters != uint64(f.n) || w.ResumeToken == nil {
		t.Errorf("welcome %+v", w)
	}
	if s := last[*protocol.Shards](pa); !slices.Equal(s.Shards, []uint32{0, 1, 2, 3}) {
		t.Errorf("the only participant has shards %v, want all", s.Shards)
	}
	if last[*protocol.Order](pa) != nil {
		t.Fatal("an order before two participants are present")
	}
	b, pb := f.join(t)
	if s := last[*protocol.Shards](pb); len(s.Shards) != 2 {
		t.Errorf("the second participant has shards %v, want two", s.Shards)
	}
	o := last[*protocol.Order](pa)
	if o == nil || last[*protocol.Model](pa) != nil {
		t.Fatal("want an order on version 0, which does not travel")
	}
	_, initial, base := f.Model()
	if got := f.offer(a, pa, f.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
		t.Fatalf("rejected: %v", got)
	}
	if got := f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 4, 20)); got != protocol.ReasonAccepted {
		t.Fatalf("rejected: %v", got)
	}
	version, hash, params := f.Model()
	if version != 1 || hash == initial {
		t.Fatalf("version %d", version)
	}
	for i := range params {
		if want := base[i] + 3; params[i] != want { // (10 x 1 + 20 x 4) / 30
			t.Fatalf("parameter %d is %g, want %g", i, params[i], want)
		}
	}
	if m, o := last[*protocol.Model](pa), last[*protocol.Order](pa); m.Version != 1 || o.Base != 1 || o.Round != 2 {
		t.Errorf("after the commit: model %d, order on %d for round %d", m.Version, o.Base, o.Round)
	}
	if s := last[*protocol.Status](pa); s.Closed != 1 || s.Version != 1 {
		t.Errorf("status %+v", s)
	}
	c := f.journal.commits[0]
	if !slices.Equal(c.Participants, []uint32{a, b}) || c.Weight != 30 || c.Traffic.Up == 0 || c.Traffic.Down == 0 {
		t.Errorf("commit %+v", c)
	}
}

// The bytes of a round are those of the frames sent.
func TestLedgerCountsFrames(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	up := 2 * protocol.WireSize(&hello, true)
	for i, p := range []*fakePeer{pa, pb} {
		c := f.contribution(last[*protocol.Order](p), 1, 5)
		up += protocol.WireSize(c, true)
		f.offer([]uint32{a, b}[i], p, c)
	}
	var down int64
	for _, p := range []*fakePeer{pa, pb} {
		for _, m := range p.got {
			down += protocol.WireSize(m, false)
		}
	}
	if l := f.State().Ledger; l.Up != up || l.Down != down || l.ModelsUp != 2 {
		t.Errorf("ledger %+v, want %d up and %d down", l, up, down)
	}
}

// Orders leave after the cohort is on disk, and a version is published after
// it is.
func TestDurableFirst(t *testing.T) {
	f := newFixture(t, nil)
	f.env.hold = true
	a, pa := f.join(t)
	b, pb := f.join(t)
	if last[*protocol.Order](pa) != nil {
		t.Fatal("an order left before its round was on disk")
	}
	f.env.release()
	o := last[*protocol.Order](pa)
	if o == nil || len(f.journal.opens) != 1 {
		t.Fatal("no order after the round was on disk")
	}
	f.env.hold = true
	f.offer(a, pa, f.contribution(o, 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if v, _, _ := f.Model(); v != 0 || last[*protocol.Status](pa).Version != 0 {
		t.Fatal("a version was published before it was on disk")
	}
	f.env.release()
	if v, _, _ := f.Model(); v != 1 || last[*protocol.Status](pa).Version != 1 {
		t.Fatal("the version was not published after it was on disk")
	}
}

// A round is combined once the last pending addition is done. Additions to an
// abandoned attempt are in no version.
func TestSlowProcessor(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	_, _, base := f.Model()
	f.env.busy = true
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 4, 20))
	if v, _, _ := f.Model(); v != 0 {
		t.Fatal("combined before everything was added")
	}
	f.env.release()
	if v, _, params := f.Model(); v != 1 || params[0] != base[0]+3 {
		t.Errorf("version %d with %g, want 1 with %g", v, params[0], base[0]+3)
	}

	g := newFixture(t, func(_ *Config, s *strategy.Config) { s.MinReports = 2 })
	a, pa = g.join(t)
	b, pb = g.join(t)
	g.env.busy = true
	g.offer(a, pa, g.contribution(last[*protocol.Order](pa), 9, 10))
	g.env.advance(2 * time.Minute) // abandons the attempt
	g.env.advance(time.Second)     // and begins another
	g.env.release()
	g.offer(a, pa, g.contribution(last[*protocol.Order](pa), 1, 10))
	g.offer(b, pb, g.contribution(last[*protocol.Order](pb), 1, 10))
	if v, _, params := g.Model(); v != 1 || params[0] != base[0]+1 {
		t.Errorf("version %d with %g, want 1 with %g", v, params[0], base[0]+1)
	}
}

// A full disk delays the round and loses no contribution.
func TestJournalFails(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.journal.err = errors.New("disk full")
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	for range 10 { // the pauses grow
		f.env.advance(maxRetry)
	}
	if v, _, _ := f.Model(); v != 0 || f.StoreError() == nil {
		t.Fatalf("version %d with a full disk, error %v", v, f.StoreError())
	}
	if s := last[*protocol.Status](pa); s.Reason == "" {
		t.Error("participants are not told that the coordinator cannot write")
	}
	f.journal.err = nil
	f.env.advance(maxRetry)
	if s := last[*protocol.Status](pa); s.Reason != "" {
		t.Errorf("participants are still told %q", s.Reason)
	}
	if v, _, _ := f.Model(); v != 1 || f.StoreError() != nil {
		t.Errorf("version %d after there was room, error %v", v, f.StoreError())
	}
}

// An end that is not durable is not announced: a crash would undo it.
func TestJournalFailsAtTheEnd(t *testing.T) {
	f := newFixture(t, nil)
	_, p := f.join(t)
	f.journal.err = errors.New("disk full")
	f.End("enough")
	if s := last[*protocol.Status](p); s.Phase == protocol.PhaseFinished || p.closed != 0 {
		t.Errorf("the participant is told %+v and closed with %v before the end is durable", s, p.closed)
	}
	f.journal.err = nil
	f.env.advance(maxRetry)
	if s := last[*protocol.Status](p); s.Phase != protocol.PhaseFinished || s.Reason != "enough" || p.closed != protocol.CloseFinished {
		t.Errorf("the participant is told %+v and closed with %v, want the end", s, p.closed)
	}
}

// The pauses between the tries of a write double up to a minute.
func TestRetryPauses(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.journal.err = errors.New("disk full")
	f.join(t) // opens a round, which is to be written
	var pauses []time.Duration
	for began, failures := f.env.now, f.State().StoreFailed; len(pauses) < 7; {
		f.env.advance(time.Second)
		if n := f.State().StoreFailed; n > failures {
			pauses = append(pauses, f.env.now.Sub(began))
			began, failures = f.env.now, n
		}
	}
	if want := []time.Duration{2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}

// The event log is enough to notice that the journal has failed for good.
func TestEventLogFailsForGood(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t) // no round is open
	f.journal.logErr = fmt.Errorf("the file was moved: %w", ErrPermanent)
	f.env.advance(flushAfter)
	if s := f.State(); !s.Halted || s.Problem() == "" {
		t.Errorf("state %+v, want halted", s)
	}
}

// A write that works while a larger one waits for another try does not end the
// failure.
func TestSmallWriteDuringAFailure(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.journal.err = errors.New("disk full")
	f.join(t) // opens a round, which is to be written
	f.journal.err = nil
	f.Flush() // the event log has room
	if f.StoreError() == nil {
		t.Error("the journal counts as working while the round waits")
	}
	f.env.advance(minRetry)
	if f.StoreError() != nil {
		t.Errorf("after the round is written: %v", f.StoreError())
	}
}

// A permanent error of the journal halts the run: the write is not retried, the
// participants get the reason and may reconnect, and the run is not over.
func TestJournalFailsForGood(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.journal.err = fmt.Errorf("attempt to write a readonly database: %w", ErrPermanent)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	s := f.State()
	if !s.Halted || s.Finished != "" || s.StoreError == "" || s.Version != 0 {
		t.Errorf("state %+v, want halted, not finished, with an error", s)
	}
	if f.Stats().Retries != 0 {
		t.Error("it is tried again")
	}
	if !pa.closed.Reconnect() || pa.closed == 0 || pb.closed == 0 {
		t.Errorf("close codes: %v and %v, want one that allows to reconnect", pa.closed, pb.closed)
	}
	p := &fakePeer{}
	if _, ok := f.Join(&hello, a, p); ok || !p.closed.Reconnect() {
		t.Errorf("close code of a participant that returns: %v, want one that allows to reconnect", p.closed)
	}
	if f.journal.finish != "" {
		t.Errorf("finished as %q", f.journal.finish)
	}
}

// A training loss that is NaN or negative is left out of the round's mean.
func TestForgedLoss(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	for i, metrics := range []protocol.Metrics{
		{Examples: 10, LossSum: math.NaN()}, {Examples: 10, LossSum: math.Inf(1)}, {Examples: 10, LossSum: -1e300}, {Examples: 10, LossSum: 1e300},
		{Examples: 1 << 60, LossSum: 1}, {Examples: math.MaxUint64 - 9, LossSum: 1}, {Examples: 21, LossSum: 0}, {LossSum: 1},
	} {
		forged := f.contribution(last[*protocol.Order](pa), 0, 10)
		forged.Metrics = metrics
		f.offer(a, pa, forged)
		honest := f.contribution(last[*protocol.Order](pb), 0, 10)
		honest.Metrics = protocol.Metrics{Examples: 10, LossSum: 20}
		f.offer(b, pb, honest)
		if got := f.Rounds()[i].TrainLoss; got != 2 {
			t.Errorf("with %+v the round has %g, want the honest participant's 2", metrics, got)
		}
	}
}

// The weight of a gradient is at most the ordered mini-batch, because the bound on its
// values grows with it.
func TestGradientOutweighsItsBatch(t *testing.T) {
	for weight, want := range map[uint64]protocol.Reason{5: protocol.ReasonAccepted, 6: protocol.ReasonOutOfBounds, 20: protocol.ReasonOutOfBounds} {
		f := newFixture(t, func(_ *Config, s *strategy.Config) { s.Kind, s.Batch = "minibatch", 5 })
		a, pa := f.join(t)
		f.join(t)
		c := f.contribution(last[*protocol.Order](pa), 64, weight)
		c.Vectors[0].Role = protocol.RoleGradient
		if got := f.offer(a, pa, c); got != want {
			t.Errorf("weight %d: %v, want %v", weight, got, want)
		}
	}
}

// An invalid contribution is rejected, and the round goes on without it.
func TestRejections(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*protocol.Contribution)
		want protocol.Reason
	}{
		{"no round, where the order has one", func(c *protocol.Contribution) { c.Round = 0 }, protocol.ReasonUnordered},
		{"a round that is not open", func(c *protocol.Contribution) { c.Round = 9 }, protocol.ReasonUnordered},
		{"an order never given", func(c *protocol.Contribution) { c.Order = 99 }, protocol.ReasonUnordered},
		{"no vector", func(c *protocol.Contribution) { c.Vectors = nil }, protocol.ReasonWrongShape},
		{"two vectors", func(c *protocol.Contribution) { c.Vectors = append(c.Vectors, c.Vectors[0]) }, protocol.ReasonWrongShape},
		{"another role", func(c *protocol.Contribution) { c.Vectors[0].Role = protocol.RoleGradient }, protocol.ReasonWrongShape},
		{"a vector too short", func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[4:] }, protocol.ReasonWrongShape},
		{"an unknown codec", func(c *protocol.Contribution) { c.Vectors[0].Codec = 99 }, protocol.ReasonCodec},
		{"NaN", func(c *protocol.Contribution) { copy(c.Vectors[0].Block, "\x00\x00\xc0\x7f") }, protocol.ReasonNotFinite},
		{"infinity", func(c *protocol.Contribution) { copy(c.Vectors[0].Block, "\x00\x00\x80\xff") }, protocol.ReasonNotFinite},
		{"an absurd value", func(c *protocol.Contribution) { copy(c.Vectors[0].Block, "\x00\x00\x80\x47") }, protocol.ReasonOutOfBounds},
		{"no weight", func(c *protocol.Contribution) { c.Weight = 0 }, protocol.ReasonOutOfBounds},
		{"more weight than examples", func(c *protocol.Contribution) { c.Weight = 41 }, protocol.ReasonOutOfBounds},
		{"more mini-batches than ordered", func(c *protocol.Contribution) { c.Metrics.Steps = 1 << 63 }, protocol.ReasonOutOfBounds},
		{"an absurd weight", func(c *protocol.Contribution) { c.Weight = 1 << 60 }, protocol.ReasonOutOfBounds},
		{"another base", func(c *protocol.Contribution) { c.Vectors[0].BaseHash = make([]byte, 32) }, protocol.ReasonWrongBase},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil)
			a, pa := f.join(t)
			b, pb := f.join(t)
			c := f.contribution(last[*protocol.Order](pa), 1, 10)
			test.edit(c)
			if got := f.offer(a, pa, c); got != test.want {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			if pa.closed != 0 {
				t.Errorf("closed with %v", pa.closed)
			}
			// The other client's valid contribution completes the round.
			f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
			f.env.advance(2 * time.Minute)
			if v, _, _ := f.Model(); v != 1 {
				t.Errorf("version %d, want the round to commit without the bad one", v)
			}
		})
	}
}

// The same contribution twice is counted once.
func TestTwice(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	f.offer(a, pa, f.contribution(o, 1, 10))
	if got := f.offer(a, pa, f.contribution(o, 1, 10)); got != protocol.ReasonDuplicate {
		t.Errorf("got %v, want duplicate", got)
	}
}

// A client that loses its socket resumes as the same participant and gets its order
// again. A client that does not resume leaves after the grace period.
func TestLostSocket(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	f.Leave(a, pa, Lost)
	f.env.advance(4 * time.Second)
	if v, _, _ := f.Model(); v != 0 {
		t.Fatal("the round did not wait for the lost participant")
	}
	again := &fakePeer{}
	if n, ok := f.Join(&hello, a, again); !ok || n != a {
		t.Fatalf("resumed as %d", n)
	}
	if o := last[*protocol.Order](again); o == nil || o.Order != last[*protocol.Order](pa).Order {
		t.Fatalf("its order was %v, now %v", last[*protocol.Order](pa), o)
	}
	f.env.advance(10 * time.Second)
	if v, _, _ := f.Model(); v != 0 || f.State().Participants != 2 {
		t.Fatal("the round does not wait for the participant that resumed")
	}
	f.Leave(a, again, Lost)
	f.env.advance(6 * time.Second)
	if v, _, _ := f.Model(); v != 1 {
		t.Error("the round still waits for a participant that has left")
	}
	if s := last[*protocol.Shards](pb); len(s.Shards) != 4 {
		t.Errorf("shards of the remaining participant: %v, want all", s.Shards)
	}
}

// The newest socket with a token wins. Messages of the older one are ignored.
func TestSuperseded(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	newer := &fakePeer{}
	f.Join(&hello, a, newer)
	if pa.closed != protocol.CloseSuperseded {
		t.Errorf("the older socket was closed with %v", pa.closed)
	}
	acks := len(newer.got)
	f.Offer(a, pa, f.inspect(f.contribution(last[*protocol.Order](pa), 1, 10)))
	f.Leave(a, pa, Left)
	if len(newer.got) != acks || f.State().Participants != 2 {
		t.Error("the superseded socket still counts")
	}
}

// A paused tab is not chosen and not waited for.
func TestPaused(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if err := f.Receive(a, pa, &protocol.Tab{State: protocol.TabPaused}); err != nil {
		t.Fatal(err)
	}
	if v, _, _ := f.Model(); v != 1 {
		t.Error("the round waits for a paused tab")
	}
	if err := f.Receive(a, pa, &protocol.Welcome{}); err == nil {
		t.Error("a welcome from a client is no error")
	}
}

// Stop conditions end the run. The reason is sent to every participant and stored.
func TestStops(t *testing.T) {
	accuracy := func([]float32) (float64, float64, int) { return .5, .9, 10 }
	for _, test := range []struct {
		name string
		stop Stop
		want string
	}{
		{"rounds", Stop{Rounds: 1}, "1 rounds done"},
		{"accuracy", Stop{Accuracy: .9, Rounds: 50}, "0.9"},
		{"time", Stop{Time: time.Hour}, "1h0m0s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Stop, c.Evaluate = test.stop, accuracy })
			a, pa := f.join(t)
			b, pb := f.join(t)
			f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
			f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
			f.env.advance(time.Hour)
			if got := f.State().Finished; !strings.Contains(got, test.want) || f.journal.finish != got {
				t.Errorf("finished with %q (journal %q), want %q", got, f.journal.finish, test.want)
			}
			if pa.closed != protocol.CloseFinished || last[*protocol.Status](pa).Phase != protocol.PhaseFinished {
				t.Errorf("closed with %v", pa.closed)
			}
			late := &fakePeer{}
			if _, ok := f.Join(&hello, 0, late); ok || late.closed != protocol.CloseFinished {
				t.Errorf("joining a finished run: %v", late.closed)
			}
		})
	}
}

// A restarted coordinator continues the open round with its cohort. Members that do
// not return in the grace period leave.
func TestRestart(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	open := f.journal.opens[0]

	g := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Open: &open}
		s.MinReports = 1
	})
	p := &fakePeer{}
	g.Join(&hello, a, p)
	if got := last[*protocol.Order](p); got == nil || got.Order != o.Order {
		t.Fatalf("its order was %v, after the restart %v", o, got)
	}
	if got := g.offer(a, p, g.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
		t.Fatalf("work finished before the crash: %v", got)
	}
	if v, _, _ := g.Model(); v != 0 {
		t.Fatal("the other member was not waited for")
	}
	g.env.advance(31 * time.Second)
	if v, _, _ := g.Model(); v != 1 {
		t.Error("the round still waits for a member that has not returned")
	}
	if n, _ := g.join(t); n < 1000 {
		t.Errorf("a new participant is %d, a number that has been used", n)
	}
}

// A clock that was set back while the coordinator was away does not make the
// round longer than it was meant to be.
func TestRestartClockBack(t *testing.T) {
	f := newFixture(t, nil)
	open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Opened: f.env.now.Add(100 * time.Hour)}
	open.Deadline = open.Opened.Add(time.Minute)
	g := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Open: &open}
		c.RestartGrace = 10 * time.Second
		s.MinReports = 1
	})
	p := &fakePeer{}
	g.Join(&hello, 1, p)
	o := last[*protocol.Order](p)
	if o == nil || o.Deadline != 60_000 {
		t.Fatalf("the order after the restart is %+v, want one with a minute's time", o)
	}
	g.offer(1, p, g.contribution(o, 1, 10))
	g.env.advance(61 * time.Second)
	if v, _, _ := g.Model(); v != 1 {
		t.Error("the round still waits, a minute after the restart")
	}
}

// An announced body that is not wanted is answered before it arrives, and counted.
func TestAnnounce(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	announced := func(edit func(*protocol.Contribution)) bool {
		c := f.contribution(o, 1, 10)
		c.Vectors[0].Block, c.Vectors[0].Size = nil, 4*uint64(f.n)
		edit(c)
		return f.Announce(a, pa, c)
	}
	if !announced(func(*protocol.Contribution) {}) || last[*protocol.Ack](pa) != nil {
		t.Error("a good contribution is not wanted, or answered before it has come")
	}
	if announced(func(c *protocol.Contribution) { c.Order++ }) || last[*protocol.Ack](pa).Reason != protocol.ReasonUnordered {
		t.Error("an unordered contribution is wanted")
	}
	if f.Announce(a, &fakePeer{}, f.contribution(o, 1, 10)) {
		t.Error("a contribution of a superseded socket is wanted")
	}
	if f.offer(a, pa, f.contribution(o, 1, 10)) != protocol.ReasonAccepted {
		t.Error("the announced contribution is refused")
	}
	if announced(func(*protocol.Contribution) {}) || last[*protocol.Ack](pa).Reason != protocol.ReasonDuplicate {
		t.Error("the same contribution is wanted twice")
	}
	if got := f.State().Ledger.Answers; got[protocol.ReasonUnordered] != 1 || got[protocol.ReasonAccepted] != 1 || got[protocol.ReasonDuplicate] != 1 {
		t.Errorf("answers counted: %v", got)
	}
	before := f.State().Ledger.Up
	f.Charge(a, pa, 1000)
	if got := f.State().Ledger.Up - before; got != 1000 {
		t.Errorf("the skipped body is charged %d bytes, want 1000", got)
	}
}

// The event log is written in batches, the last of them by Flush.
func TestEventLogBatches(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.join(t) // opens a round, which writes what was logged before
	written := len(f.journal.kinds)
	if written == 0 {
		t.Error("nothing is logged before the round")
	}
	_, p := f.join(t)
	if len(f.journal.kinds) != written {
		t.Error("an entry is written by itself")
	}
	f.env.advance(flushAfter)
	if got := f.journal.kinds[written:]; !slices.Equal(got, []string{"join"}) {
		t.Errorf("logged %v, want the join", got)
	}
	f.Leave(3, p, Left)
	f.Flush()
	if got := f.journal.kinds[written+1:]; !slices.Equal(got, []string{"leave"}) {
		t.Errorf("logged %v, want the leave", got)
	}
}

// A client whose hash does not match the version that it names gets the model.
func TestHeld(t *testing.T) {
	f := newFixture(t, nil)
	_, hash, _ := f.Model()
	for _, test := range []struct {
		name string
		held uint64
		hash []byte
		want bool
	}{
		{"nothing, and makes version 0", 0, nil, true},
		{"version 0", 0, hash[:], true},
		{"another version 0", 0, make([]byte, 32), false},
		{"a version that never was", 7, hash[:], false},
		{"a version without its hash", 7, nil, false},
	} {
		h := hello
		h.Held, h.HeldHash = test.held, test.hash
		if got := f.heldBy(&h); got != test.want {
			t.Errorf("%s: held = %v, want %v", test.name, got, test.want)
		}
	}
}

// All shards are divided evenly after every join and leave, with a min number of
// moves.
func TestDivideEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 60).Draw(t, "shards")
		has := map[uint32][]uint32{}
		var present []uint32
		next := uint32(1)
		shared := false // more participants than shards, so that some had the same
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			if len(present) == 0 || rapid.Bool().Draw(t, "join") {
				present = append(present, next)
				next++
			} else {
				i := rapid.IntRange(0, len(present)-1).Draw(t, "leave")
				delete(has, present[i])
				present = slices.Delete(present, i, i+1)
			}
			if len(present) == 0 {
				continue
			}
			wanted := map[uint32][]uint32{}
			divideEvenly(wanted, present, total, func(p uint32) []uint32 { return has[p] })
			owners := make([]int, total)
			smallest, largest := total, 0
			moved := 0
			for _, p := range present {
				s := wanted[p]
				smallest, largest = min(smallest, len(s)), max(largest, len(s))
				if !slices.IsSorted(s) {
					t.Fatalf("not ascending: %v", s)
				}
				for _, n := range s {
					owners[n]++
					if !slices.Contains(has[p], n) {
						moved++
					}
				}
			}
			if len(present) <= total {
				for n, k := range owners {
					if k != 1 {
						t.Fatalf("owners of shard %d: %d of %d participants, want 1", n, k, len(present))
					}
				}
				if largest-smallest > 1 {
					t.Fatalf("shards per participant: %d to %d, want a difference of at most 1", smallest, largest)
				}
				free := total
				for _, p := range present {
					free -= min(len(has[p]), len(wanted[p]))
				}
				if !shared && moved > free {
					t.Fatalf("%d shards moved, %d had to", moved, free)
				}
			} else if fewest, most := slices.Min(owners), slices.Max(owners); smallest != 1 || largest != 1 || most-fewest > 1 {
				t.Fatalf("%d participants have %d to %d of %d shards each, a shard %d to %d of them", len(present), smallest, largest, total, fewest, most)
			} else if shared && moved > len(present)-len(has)+1 {
				t.Fatalf("%d of %d participants have another shard after one came or left", moved, len(present))
			}
			has, shared = wanted, len(present) > total
		}
	})
}

func ExampleRun_State() {
	m, _ := learn.New(learn.MLP([]int{2}, nil, 2))
	s, _ := strategy.New(strategy.Config{Kind: "fedavg", Fraction: 1, LR: .1}, strategy.Setup{MinCohort: 2})
	r, _ := New(Config{ID: "example", Model: m, Strategy: s}, &fakeEnv{})
	r.Start()
	r.Join(&hello, 0, &fakePeer{})
	fmt.Println(r.State().Phase, r.State().Round, r.State().Participants)
	// Output: training 1 1
}
