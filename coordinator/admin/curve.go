package admin

import (
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/store"
	"fedtab/coordinator/web"
	"fedtab/run"
)

// maxHistories bounds the histories of runs that are held, of 200 bytes a round.
const maxHistories = 16

// curves holds the histories of the runs that were asked for last, so that only what is new
// is read.
type curves struct {
	reading atomic.Bool // ahead

	mu    sync.Mutex
	all   map[string]*history // by run
	order []string            // that which was asked for last at the end
}

// of returns the history of a run, which may be empty.
func (c *curves) of(id string) *history {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]*history{}
	}
	h := c.all[id]
	if h == nil {
		h = &history{}
		c.all[id] = h
	} else {
		c.order = without(c.order, id)
	}
	c.order = append(c.order, id)
	if len(c.order) > maxHistories {
		delete(c.all, c.order[0])
		c.order = c.order[1:]
	}
	return h
}

func without(all []string, one string) (rest []string) {
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

// history is what curves are made of.
type history struct {
	mu     sync.Mutex
	served bool     // the points are those of a feed
	mark   web.Mark // of the feed, up to which they are; of a run that is not served, newest version and evaluation
	points []point  // ascending
}

// point is a round of a history. What is not known is NaN.
type point struct {
	round                                              uint64
	participants                                       int
	opened, committed                                  time.Time
	weight, trainLoss, rate, rawRatio                  float64
	testLoss, testAccuracy, testRMSE                   float64
	validationLoss, validationAccuracy, validationRMSE float64
	up, down                                           int64
	download, training, upload, commit                 float64 // seconds
	normMin, normMedian, normMax, seconds, epsilon     float64
}

func pointOf(r *run.RoundRecord, parameters int) point {
	nan := math.NaN()
	p := point{
		round: r.Round, participants: r.Participants, opened: r.Opened, committed: r.Committed, weight: r.Weight, trainLoss: r.TrainLoss, rate: r.Rate, rawRatio: nan,
		testLoss: nan, testAccuracy: nan, testRMSE: nan, validationLoss: nan, validationAccuracy: nan, validationRMSE: nan, up: r.Traffic.Up, down: r.Traffic.Down,
		download: nan, training: nan, upload: nan, commit: nan, normMin: nan, normMedian: nan, normMax: nan, epsilon: nan,
		seconds: max(0, r.Committed.Sub(r.Opened).Seconds()),
	}
	if ratio := r.Traffic.Density(parameters).RawRatio; ratio != nil {
		p.rawRatio = *ratio
	}
	if t := r.Test; t != nil {
		p.testLoss, p.testAccuracy, p.testRMSE = t.Loss, t.Accuracy, t.RMSE
	}
	if v := r.Validation; v != nil {
		p.validationLoss, p.validationAccuracy, p.validationRMSE = v.Loss, v.Accuracy, v.RMSE
	}
	if t := r.Times; t != nil {
		p.training, p.upload, p.commit = t.Training.Seconds(), t.Upload.Seconds(), t.Commit.Seconds()
		if t.Begun {
			p.download = t.Download.Seconds()
		}
	}
	if s := r.Spent; s != nil {
		p.epsilon = s.Epsilon
	}
	if n := r.Norms; n != nil {
		p.normMin, p.normMedian, p.normMax = n.Min, n.Median, n.Max
	}
	return p
}

// waiting returns the seconds since the commit before that are none of the round's own.
func (p *point) waiting(before time.Time) float64 {
	if math.IsNaN(p.training) {
		return max(0, p.opened.Sub(before).Seconds())
	}
	own := p.training + p.upload + p.commit
	if !math.IsNaN(p.download) {
		own += p.download
	}
	return max(0, p.committed.Sub(before).Seconds()-own)
}

// aheadFrom is the number of rounds from which a history is read ahead.
const aheadFrom = 1000

// ahead reads the histories of the long runs of a list, which are not served, one after the
// other in the background: who opens one of them need not wait for it.
func (h *API) ahead(runs []store.Summary) {
	if !h.curves.reading.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer h.curves.reading.Store(false)
		left := maxHistories / 2 // those that somebody looks at stay
		for i := range runs {
			r := &runs[i]
			if left == 0 {
				return
			}
			if r.Version < aheadFrom || h.served(r.ID) != nil {
				continue
			}
			left--
			past := h.curves.of(r.ID)
			past.mu.Lock()
			err := past.read(h.Store, r)
			past.mu.Unlock()
			if err != nil {
				return // who asks for it is told
			}
		}
	}()
}

// curve returns the history of a run at no more than a number of rounds.
func (h *API) curve(name string, points int) (c v1.History, err error) {
	r, err := h.Backend.Find(name)
	if err != nil {
		return c, err
	}
	past := h.curves.of(r.ID)
	past.mu.Lock()
	defer past.mu.Unlock()
	st := h.served(r.ID)
	if st != nil {
		past.follow(st)
	}
	if st == nil || st.Run() != r.ID { // it may have another run by now
		all, err := h.Store.Runs(store.Filter{ID: r.ID})
		if err != nil {
			return c, err
		}
		if len(all) == 0 {
			return c, Refuse(http.StatusNotFound, "run %s was deleted", r.ID)
		}
		if err := past.read(h.Store, &all[0]); err != nil {
			return c, err
		}
	}
	return past.curve(r, thin(past.points, points)), nil
}

// follow brings the history of a run that is served up to date.
func (p *history) follow(st *web.Study) {
	if !p.served {
		p.mark = web.Mark{}
	}
	rounds, now, whole := st.Feed.Records(p.mark)
	if whole {
		p.points = nil
	}
	for i := range rounds {
		p.put(pointOf(&rounds[i], st.Model.Layout().Size))
	}
	p.served, p.mark = true, now
}

// put adds a round, or replaces it: it is among the newest.
func (p *history) put(q point) {
	i := len(p.points)
	for i > 0 && p.points[i-1].round >= q.round {
		i--
	}
	if i < len(p.points) {
		p.points[i] = q
		return
	}
	p.points = append(p.points, q)
}

// read reads the history of a run that is not served, unless it is at hand: such a run
// changes only when it is served again.
func (p *history) read(s store.Shown, r *store.Summary) error {
	now := web.Mark{Resets: r.Version, Seq: r.Evaluated}
	if !p.served && p.mark == now {
		return nil
	}
	parameters, err := s.Parameters(r.ID)
	if err != nil {
		return err
	}
	p.served, p.mark, p.points = false, web.Mark{}, make([]point, 0, r.Version)
	if err = s.EachRound(r.ID, func(r *run.RoundRecord) { p.points = append(p.points, pointOf(r, parameters)) }); err == nil {
		p.mark = now
	}
	return err
}

// curve returns the columns of the rounds with some indices, which ascend.
func (p *history) curve(r store.Run, chosen []int) v1.History {
	c := newHistory(r.ID, len(p.points), len(chosen))
	var examples float64
	var bytes int64
	before, next := r.Created, 0
	for i := range p.points {
		q := &p.points[i]
		if q.weight > 0 { // not NaN
			examples += q.weight
		}
		bytes += q.up + q.down
		if next < len(chosen) && chosen[next] == i {
			next++
			add(&c, q, max(0, q.committed.Sub(r.Created).Seconds()), examples, bytes, q.waiting(before))
		}
		before = q.committed
	}
	return c
}

func newHistory(run string, rounds, n int) v1.History {
	floats := func() []*float64 { return make([]*float64, 0, n) }
	return v1.History{
		Run: run, Rounds: rounds, Round: make([]uint64, 0, n), At: make([]float64, 0, n), Examples: make([]float64, 0, n), Bytes: make([]int64, 0, n),
		Participants: make([]int, 0, n), TrainLoss: floats(), TestLoss: floats(), TestAccuracy: floats(), TestRMSE: floats(), ValidationLoss: floats(), ValidationAccuracy: floats(), ValidationRMSE: floats(), Rate: floats(),
		BytesUp: make([]int64, 0, n), BytesDown: make([]int64, 0, n), RawRatio: floats(), Seconds: make([]float64, 0, n),
		Waiting: floats(), Download: floats(), Training: floats(), Upload: floats(), Commit: floats(), NormMin: floats(), NormMedian: floats(), NormMax: floats(), Epsilon: floats(),
	}
}

// add adds a round to the columns of a history.
func add(c *v1.History, p *point, at, examples float64, bytes int64, waiting float64) {
	c.Round, c.At, c.Examples, c.Bytes = append(c.Round, p.round), append(c.At, at), append(c.Examples, examples), append(c.Bytes, bytes)
	c.Participants, c.Seconds = append(c.Participants, p.participants), append(c.Seconds, p.seconds)
	c.BytesUp, c.BytesDown = append(c.BytesUp, p.up), append(c.BytesDown, p.down)
	for _, column := range []struct {
		to *[]*float64
		x  float64
	}{
		{&c.TrainLoss, p.trainLoss}, {&c.TestLoss, p.testLoss}, {&c.TestAccuracy, p.testAccuracy}, {&c.TestRMSE, p.testRMSE},
		{&c.ValidationLoss, p.validationLoss}, {&c.ValidationAccuracy, p.validationAccuracy}, {&c.ValidationRMSE, p.validationRMSE}, {&c.Rate, p.rate}, {&c.RawRatio, p.rawRatio},
		{&c.Waiting, waiting}, {&c.Download, p.download}, {&c.Training, p.training}, {&c.Upload, p.upload}, {&c.Commit, p.commit},
		{&c.NormMin, p.normMin}, {&c.NormMedian, p.normMedian}, {&c.NormMax, p.normMax}, {&c.Epsilon, p.epsilon},
	} {
		*column.to = append(*column.to, run.Finite(&column.x))
	}
}

// thin returns the indices of at most n rounds, ascending: all of them, or the first, the
// last, and the extremes of as many equal parts as fit.
func thin(all []point, n int) (chosen []int) {
	if len(all) <= n {
		for i := range all {
			chosen = append(chosen, i)
		}
		return chosen
	}
	figures := figuresOf(all)
	for parts := n; parts > 0; parts = parts * 3 / 4 {
		if chosen = extremes(all, parts, figures); len(chosen) <= n {
			return chosen
		}
	}
	return []int{0, len(all) - 1}
}

// A figure of rounds whose extremes are kept.
type figure struct {
	of   func(*point) float64
	both bool // the smallest values, too
}

// figuresOf returns the figures whose extremes are kept: of those on the test set the one
// that people look at.
func figuresOf(all []point) []figure {
	test := func(p *point) float64 { return p.testLoss }
	for i := range all {
		if !math.IsNaN(all[i].testAccuracy) {
			test = func(p *point) float64 { return p.testAccuracy }
			break
		}
		if !math.IsNaN(all[i].testRMSE) {
			test = func(p *point) float64 { return p.testRMSE }
			break
		}
	}
	return []figure{
		{test, true}, {func(p *point) float64 { return p.trainLoss }, true},
		{func(p *point) float64 { return p.seconds }, false}, {func(p *point) float64 { return p.normMax }, false},
	}
}

// extremes returns the indices of the first and the last round, and of the rounds with the
// extremes of some figures in a number of equal parts, ascending.
func extremes(all []point, parts int, figures []figure) (chosen []int) {
	keep := make([]bool, len(all))
	keep[0], keep[len(all)-1] = true, true
	for part := range parts {
		from, to := part*len(all)/parts, (part+1)*len(all)/parts
		for _, f := range figures {
			least, most := -1, -1
			var low, high float64
			for i := from; i < to; i++ {
				x := f.of(&all[i])
				if x != x { // NaN
					continue
				}
				if least < 0 || x < low {
					least, low = i, x
				}
				if most < 0 || x > high {
					most, high = i, x
				}
			}
			if most >= 0 {
				keep[most] = true
				keep[least] = keep[least] || f.both
			}
		}
	}
	for i, k := range keep {
		if k {
			chosen = append(chosen, i)
		}
	}
	return chosen
}
