package web

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"fedtab/api"
	"fedtab/coordinator/models"
	"fedtab/run"
)

// Feed keeps what a run has published for any number of readers, each at its own
// pace: a slow reader sees fewer states, and every round. What is published is
// encoded when the first reader asks for it, once, and the bytes are shared.
type Feed struct {
	mu      sync.Mutex
	state   run.State
	rounds  []run.RoundRecord
	changes []uint64 // of each round: the seq of its last change
	recent  []int    // rounds by the order of their changes, the newest last
	seq     uint64   // of what readers see
	resets  uint64   // how often it began anew
	shown   run.State
	shownAt time.Time
	due     *time.Timer   // shows what has been published since; nil if nothing has
	changed chan struct{} // closed when more is shown

	encoding sync.Mutex // held while something is encoded; never together with a wait of the run's owner
	view     func(run.State) api.Task
	round    func(*run.RoundRecord) api.Round
	stateOf  uint64 // the seq of stateJSON
	stateNow []byte
	lines    map[uint64]line // encoded rounds, by number: the newest keptLines
	curve    cachedCurve
}

// line is a round's JSON.
type line struct {
	change uint64
	json   []byte
}

type cachedCurve struct {
	seq    uint64
	points int
	json   []byte
}

// keptLines bounds the encoded rounds that are kept, and keptChanges the changes
// that a reader can catch up with without looking at all rounds.
const (
	keptLines   = 2 * api.DefaultRounds
	keptChanges = 1024
)

// NewFeed returns a feed that begins with the rounds of an earlier process. New
// sets what its states and rounds look like.
func NewFeed(state run.State, rounds []run.RoundRecord) *Feed {
	f := &Feed{
		state: state, shown: state, seq: 1, changed: make(chan struct{}), rounds: slices.Clone(rounds),
		changes: make([]uint64, len(rounds)), lines: map[uint64]line{},
	}
	for i := range f.changes {
		f.changes[i] = 1
	}
	return f
}

// Reset begins anew with another run. Readers of events see its state, and no rounds of the
// one before.
func (f *Feed) Reset(state run.State, rounds []run.RoundRecord) {
	f.encoding.Lock()
	defer f.encoding.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state, f.rounds, f.recent = state, slices.Clone(rounds), nil
	f.changes = make([]uint64, len(rounds))
	for i := range f.changes {
		f.changes[i] = f.seq
	}
	clear(f.lines)
	f.curve = cachedCurve{}
	f.resets++
	if f.due != nil {
		f.due.Stop()
	}
	f.show()
}

// Mark is what a reader has seen of a feed. Its zero value is nothing.
type Mark struct{ Resets, Seq uint64 }

// After is Since for a reader that has seen m, perhaps over another connection. reset says
// that what it has seen is not what the feed goes on from: it gets the newest state alone.
func (f *Feed) After(m Mark) (state []byte, rounds [][]byte, now Mark, reset bool) {
	f.encoding.Lock()
	defer f.encoding.Unlock()
	f.mu.Lock()
	if m != (Mark{}) && (m.Resets != f.resets || m.Seq > f.seq) {
		m, reset = Mark{}, true
	}
	s, now := f.shown, Mark{f.resets, f.seq}
	changed := f.after(m.Seq)
	f.mu.Unlock()
	return f.encodeState(s, now.Seq), f.encodeRounds(changed), now, reset
}

// coalesce is the least time between two states that readers of events see.
const coalesce = 250 * time.Millisecond

// Publish takes a change in. It is a run's Notify, and never waits for a reader.
// Changes that follow each other within coalesce are shown together.
func (f *Feed) Publish(u run.Update) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = u.State
	if u.Round != nil {
		f.put(*u.Round)
	}
	switch wait := coalesce - time.Since(f.shownAt); {
	case f.due != nil:
	case wait <= 0:
		f.show()
	default:
		f.due = time.AfterFunc(wait, f.flush)
	}
}

// show lets readers see what has been published.
func (f *Feed) show() {
	f.seq++
	f.shown, f.shownAt, f.due = f.state, time.Now(), nil
	close(f.changed)
	f.changed = make(chan struct{})
}

// flush shows what is due.
func (f *Feed) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.due != nil {
		f.due.Stop()
		f.show()
	}
}

func (f *Feed) put(r run.RoundRecord) {
	i, found := slices.BinarySearchFunc(f.rounds, r.Round, func(e run.RoundRecord, n uint64) int {
		return int(int64(e.Round) - int64(n))
	})
	if found {
		f.rounds[i], f.changes[i] = r, f.seq+1
	} else {
		f.rounds, f.changes = slices.Insert(f.rounds, i, r), slices.Insert(f.changes, i, f.seq+1)
	}
	if len(f.recent) == keptChanges {
		f.recent = append(f.recent[:0], f.recent[keptChanges/2:]...)
	}
	f.recent = append(f.recent, i) // rounds come in order: nothing is inserted before i
}

// State returns the newest state.
func (f *Feed) State() run.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// newest returns the newest n rounds, ascending.
func (f *Feed) newest(n int) []run.RoundRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rounds[max(0, len(f.rounds)-n):])
}

// find returns the rounds that made the given versions, which ascend, newest first: at
// most limit of them, the first and the last included, the others evenly between them.
func (f *Feed) find(versions []uint64, limit int) (all []run.RoundRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var at []int
	for _, v := range versions {
		i, found := slices.BinarySearchFunc(f.rounds, v, func(e run.RoundRecord, n uint64) int { return cmp.Compare(e.Round, n) })
		if found {
			at = append(at, i)
		}
	}
	n := min(limit, len(at))
	for k := n - 1; k >= 0; k-- {
		all = append(all, f.rounds[at[spaced(k, n, len(at))]])
	}
	return all
}

// spaced returns the index of the k-th of n that are evenly spaced among all: the first
// and the last are among them, and the last alone if n is 1.
func spaced(k, n, all int) int {
	if n <= 1 {
		return all - 1
	}
	return k * (all - 1) / (n - 1)
}

// Pick returns the version that models.Pick chooses.
func (f *Feed) Pick(want string) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return models.Pick(f.rounds, want)
}

// Changed returns a channel that is closed with the next change. Ask for it before
// Since, so that no change is missed.
func (f *Feed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Since returns the newest state, and the rounds that have changed after seq, as
// JSON, and the seq to ask with next time. After 0 there are no rounds: a Page has
// those. The caller must not write to the bytes.
func (f *Feed) Since(seq uint64) (state []byte, rounds [][]byte, now uint64) {
	f.encoding.Lock()
	defer f.encoding.Unlock()
	f.mu.Lock()
	s, now := f.shown, f.seq
	changed := f.after(seq)
	f.mu.Unlock()
	return f.encodeState(s, now), f.encodeRounds(changed), now
}

// after returns the rounds that have changed after seq, ascending.
func (f *Feed) after(seq uint64) (all []record) {
	if seq == 0 || seq >= f.seq {
		return nil
	}
	for _, i := range f.changedAfter(seq) {
		if f.changes[i] <= f.seq { // otherwise it is not shown yet
			all = append(all, record{f.rounds[i], f.changes[i]})
		}
	}
	return all
}

// changedAfter returns the indices of the rounds that have changed after seq, ascending.
func (f *Feed) changedAfter(seq uint64) []int {
	first := len(f.recent)
	for first > 0 && f.changes[f.recent[first-1]] > seq {
		first--
	}
	indices := slices.Clone(f.recent[first:])
	if first == 0 && len(f.recent) > 0 { // there may be changes before those
		indices = indices[:0]
		for i, c := range f.changes {
			if c > seq {
				indices = append(indices, i)
			}
		}
	}
	slices.Sort(indices)
	return slices.Compact(indices)
}

// Records returns the rounds that are new or have changed since a mark, ascending, and the
// mark to ask with next time. whole says that they are all there are, as for a zero mark.
func (f *Feed) Records(m Mark) (rounds []run.RoundRecord, now Mark, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now = Mark{f.resets, f.seq}
	if m == (Mark{}) || m.Resets != f.resets || m.Seq > f.seq {
		return slices.Clone(f.rounds), now, true
	}
	for _, i := range f.changedAfter(m.Seq) {
		rounds = append(rounds, f.rounds[i])
	}
	return rounds, now, false
}

// record is a round and the seq of its last change.
type record struct {
	run.RoundRecord
	change uint64
}

// Page returns the newest state and the newest rounds with numbers above since and
// below before (0: no bound), at most limit of them, ascending, all as JSON.
func (f *Feed) Page(since, before uint64, limit int) (state []byte, rounds [][]byte) {
	f.flush()
	f.encoding.Lock()
	defer f.encoding.Unlock()
	f.mu.Lock()
	s, now := f.shown, f.seq
	end := len(f.rounds)
	for end > 0 && before > 0 && f.rounds[end-1].Round >= before {
		end--
	}
	var page []record
	for i := max(0, end-limit); i < end; i++ {
		if f.rounds[i].Round > since {
			page = append(page, record{f.rounds[i], f.changes[i]})
		}
	}
	f.mu.Unlock()
	return f.encodeState(s, now), f.encodeRounds(page)
}

// Curve returns the learning curve at no more than points of the rounds that were
// evaluated, evenly spaced, the first and the last among them, as JSON.
func (f *Feed) Curve(points int) []byte {
	f.encoding.Lock()
	defer f.encoding.Unlock()
	f.mu.Lock()
	seq := uint64(0)
	if n := len(f.recent); n > 0 {
		seq = f.changes[f.recent[n-1]]
	}
	if f.curve.json != nil && f.curve.seq == seq && f.curve.points == points {
		f.mu.Unlock()
		return f.curve.json
	}
	c := api.Curve{Round: []int{}, TestLoss: []*float64{}, TestAccuracy: []*float64{}}
	var evaluated []int
	for i := range f.rounds {
		if f.rounds[i].Test != nil {
			evaluated = append(evaluated, i)
		}
	}
	n := min(points, len(evaluated))
	for k := range n {
		r := &f.rounds[evaluated[spaced(k, n, len(evaluated))]]
		c.Round = append(c.Round, int(r.Round))
		c.TestLoss = append(c.TestLoss, run.Finite(&r.Test.Loss))
		c.TestAccuracy = append(c.TestAccuracy, run.Finite(&r.Test.Accuracy))
		if !math.IsNaN(r.Test.RMSE) {
			c.TestRMSE = append(c.TestRMSE, &r.Test.RMSE)
		}
	}
	f.mu.Unlock()
	f.curve = cachedCurve{seq, points, encode(c)}
	return f.curve.json
}

func (f *Feed) encodeState(s run.State, seq uint64) []byte {
	if f.stateOf != seq {
		f.stateOf, f.stateNow = seq, encode(f.view(s))
	}
	return f.stateNow
}

func (f *Feed) encodeRounds(records []record) [][]byte {
	var all [][]byte
	for i := range records {
		r := &records[i]
		l, ok := f.lines[r.Round]
		if !ok || l.change != r.change {
			l = line{r.change, encode(f.round(&r.RoundRecord))}
			f.keep(r.Round, l)
		}
		all = append(all, l.json)
	}
	return all
}

// keep stores the line of a round that is among the newest.
func (f *Feed) keep(number uint64, l line) {
	f.mu.Lock()
	oldest := uint64(0)
	if n := len(f.rounds); n > keptLines {
		oldest = f.rounds[n-keptLines].Round
	}
	f.mu.Unlock()
	if number < oldest {
		return
	}
	f.lines[number] = l
	if len(f.lines) > 2*keptLines {
		for n := range f.lines {
			if n < oldest {
				delete(f.lines, n)
			}
		}
	}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and finite numbers
	}
	return b
}
