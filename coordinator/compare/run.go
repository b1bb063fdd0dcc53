package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/simulate"
)

// Runner computes cells.
type Runner struct {
	Cache *Cache
	// Jobs is how many cells are computed side by side, on one core each.
	Jobs int
	// Tell is called after every cell and every round; not concurrently.
	Tell func(Progress)
	// Warn is called for what does not stop the work, such as a checkpoint that cannot be
	// written; not concurrently.
	Warn func(error)

	mu     sync.Mutex
	loader dataset.Loader
	turns  map[string]*sync.Mutex // by key of the cache: equal cells are computed once
}

// Progress is how far the work is.
type Progress struct {
	Cell  *Cell         // that something has happened to
	Over  bool          // it is over
	Taken bool          // from the cache
	Error error         // why the cell failed
	Cells int           // that are over
	All   int           // cells
	Left  time.Duration // 0: not known
}

// Outcome is a cell with what came out.
type Outcome struct {
	Cell    *Cell
	Key     string           // of the cache
	Program string           // that has made the result
	Result  *simulate.Result // nil: nothing was made
	Failed  string           // why it ended early; empty: it is whole
	Seconds float64          // of computing, when it was computed
}

// Run computes cells, and returns what came out in their order, nil for one that was not
// ended. A cell that fails says why, and the others go on. The error is that of an
// interruption, or of a cache that cannot be written.
func (r *Runner) Run(outside context.Context, cells []*Cell) ([]*Outcome, error) {
	ctx, cancel := context.WithCancel(outside)
	defer cancel()
	out := make([]*Outcome, len(cells))
	next := make(chan int)
	var workers sync.WaitGroup
	var failure error
	shares := make([]float64, len(cells)) // of each cell that are done
	began, over := time.Now(), 0
	var computing float64 // shares that were computed, none taken from the cache
	tell := func(i int, p Progress) {
		p.Cell, p.Cells, p.All = cells[i], over, len(cells)
		var left float64
		for _, s := range shares {
			left += 1 - s
		}
		if computing > 0 {
			p.Left = time.Duration(since(began) / computing * left * float64(time.Second))
		}
		if r.Tell != nil {
			r.Tell(p)
		}
	}
	for range max(r.Jobs, 1) {
		workers.Go(func() {
			for i := range next {
				o, taken, err := r.cell(ctx, cells[i], func(share float64) {
					r.mu.Lock()
					defer r.mu.Unlock()
					computing += share - shares[i]
					shares[i] = share
					tell(i, Progress{})
				})
				r.mu.Lock()
				if err != nil {
					if ctx.Err() == nil {
						failure = errors.Join(failure, err)
					}
					cancel()
				} else {
					out[i] = o
					over++
					if !taken {
						computing += 1 - shares[i]
					}
					shares[i] = 1
					var failed error
					if o.Failed != "" {
						failed = errors.New(o.Failed)
					}
					tell(i, Progress{Over: true, Taken: taken, Error: failed})
				}
				r.mu.Unlock()
			}
		})
	}
hand:
	for i := range cells {
		select {
		case next <- i:
		case <-ctx.Done():
			break hand
		}
	}
	close(next)
	workers.Wait()
	if failure == nil {
		failure = outside.Err()
	}
	return out, failure
}

// turn waits until no other worker is at work on an equal cell, whose result is kept then.
func (r *Runner) turn(key string) (over func()) {
	r.mu.Lock()
	if r.turns == nil {
		r.turns = map[string]*sync.Mutex{}
	}
	mine := r.turns[key]
	if mine == nil {
		mine = new(sync.Mutex)
		r.turns[key] = mine
	}
	r.mu.Unlock()
	mine.Lock()
	return mine.Unlock
}

// open loads the data of a cell.
func (r *Runner) open(c *Cell) (*dataset.Dataset, simulate.Origin, error) {
	o := simulate.Origin{Program: r.Cache.Program, Settings: c.Task.Settings()}
	d, err := r.loader.Open(c.Task)
	if err == nil {
		err = d.Divide(c.Task)
	}
	if err != nil {
		return nil, o, err
	}
	o.Data = d.Content()
	return d, o, nil
}

// cell computes a cell, or takes what is kept of it. The error is one that ends all work.
func (r *Runner) cell(ctx context.Context, c *Cell, done func(share float64)) (o *Outcome, taken bool, err error) {
	o = &Outcome{Cell: c}
	if err := ctx.Err(); err != nil {
		return o, false, err
	}
	d, origin, err := r.open(c)
	if err != nil {
		o.Failed = err.Error()
		return o, false, nil
	}
	o.Key = r.Cache.key(&origin)
	defer r.turn(o.Key)()
	k, err := r.Cache.get(o.Key, &origin)
	if err != nil {
		return o, false, err
	}
	if k != nil {
		o.Result, o.Failed, o.Seconds, o.Program = k.Result, k.Failed, k.Seconds, k.Program
		return o, true, nil
	}
	checkpoint, err := r.checkpoint(o.Key, origin)
	if err != nil {
		return o, false, err
	}
	defer checkpoint.Close()
	began := time.Now()
	res, err := simulate.Run(ctx, c.Task, d, simulate.Options{
		Workers: 1, Checkpoint: checkpoint,
		OnRound: func(x simulate.Round, _ simulate.Timing) {
			if n := c.Task.Stop.Rounds; n > 0 {
				done(min(float64(x.Round)/float64(n), 1))
			}
		},
		OnCheck: func(x simulate.Check) {
			if n := c.Task.Stop.Steps; n > 0 {
				done(min(float64(x.Steps)/float64(n), 1))
			}
		},
	})
	o.Result, o.Seconds, o.Program = res, since(began), r.Cache.Program
	if ctx.Err() != nil {
		return o, false, ctx.Err()
	}
	if errors.Is(err, simulate.ErrCheckpoint) {
		return o, false, errors.Join(err, checkpoint.Remove())
	}
	if err != nil {
		o.Failed = err.Error()
	}
	if res != nil {
		res.DataSHA256 = fmt.Sprintf("%x", origin.Data)
		err = r.Cache.put(o.Key, &kept{r.Cache.Program, res, o.Failed, o.Seconds})
	} else {
		err = nil
	}
	return o, false, errors.Join(err, checkpoint.Remove())
}

// mostCheckpoint bounds the checkpoint of a cell, in bytes. Packed contributions of hours are
// fewer; raw ones take longer to write than the training that they stand for.
const mostCheckpoint = 256 << 20

// checkpoint goes on with that of an interruption, or begins one in place of what cannot be
// gone on with. It is nil where another process is at work on an equal cell.
func (r *Runner) checkpoint(key string, o simulate.Origin) (c *simulate.Checkpoint, err error) {
	path := r.Cache.checkpoint(key)
	if c, err = simulate.OpenCheckpoint(path, o); err != nil && !errors.Is(err, simulate.ErrInUse) {
		if c, err = simulate.NewCheckpoint(path, o); err != nil && !errors.Is(err, simulate.ErrInUse) {
			for _, suffix := range []string{"", "-journal"} { // it is damaged, and nothing without the rest
				os.Remove(path + suffix)
			}
			c, err = simulate.NewCheckpoint(path, o)
		}
	}
	if errors.Is(err, simulate.ErrInUse) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare: the cache %s cannot be written: %w", r.Cache.Dir, err)
	}
	c.Most = mostCheckpoint
	c.Warn = func(err error) {
		if errors.Is(err, simulate.ErrLarge) {
			return // what is there is still gone on from
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.Warn != nil {
			r.Warn(fmt.Errorf("%s: is not written any more (%w); the simulation goes on", path, err))
		}
	}
	return c, nil
}
