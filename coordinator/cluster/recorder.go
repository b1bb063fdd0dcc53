package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fedtab/coordinator/store"
	"fedtab/learn/data"
	"fedtab/protocol/invite"
	"fedtab/run"
)

// Recorder writes to the log what a coordinator would write to its database, and returns once this
// node's database has it. What belongs to a task is written by the node that drives it; calls of
// others fail.
type Recorder struct {
	cluster *Cluster
	view    *View

	mu      sync.Mutex
	writers map[string]*Writer // by task
	sizes   map[string]int     // commits since the objects of a run were swept
}

var _ store.Recorder = (*Recorder)(nil)

// NewRecorder returns a recorder whose records a view applies.
func NewRecorder(c *Cluster, v *View) *Recorder {
	return &Recorder{cluster: c, view: v, writers: map[string]*Writer{}, sizes: map[string]int{}}
}

// Detached returns a recorder that takes nothing, for the database of a node that does not run.
func Detached() *Recorder { return &Recorder{} }

// errDetached answers who would write to it.
var errDetached = fmt.Errorf("the database is that of a node of a cluster, which follows the cluster's log: start the node, or give the order at another: %w", run.ErrPermanent)

// Drive has this node write the records of a task, until Yield.
func (r *Recorder) Drive(task string, w *Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writers[task] = w
}

// Yield ends that.
func (r *Recorder) Yield(task string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.writers[task]; w != nil {
		w.Close()
		delete(r.writers, task)
	}
}

// writer returns the writer of a task, or says who drives it.
func (r *Recorder) writer(task string) (*Writer, error) {
	if r.cluster == nil {
		return nil, errDetached
	}
	r.mu.Lock()
	w := r.writers[task]
	r.mu.Unlock()
	if w != nil {
		return w, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
	defer cancel()
	h, err := r.cluster.Holder(ctx, task)
	switch {
	case err != nil:
		return nil, fmt.Errorf("this node does not drive task %s: %w: %w", task, err, run.ErrElsewhere)
	case h.Node == "":
		return nil, fmt.Errorf("no node drives task %s at the moment: try again: %w", task, run.ErrElsewhere)
	}
	return nil, fmt.Errorf("node %s drives task %s: give it the order: %w", h.Node, task, run.ErrElsewhere)
}

// write writes a record of a task.
func (r *Recorder) write(task string, o *op) error {
	w, err := r.writer(task)
	if err != nil {
		return err
	}
	return r.append(o, func(body []byte, id string) error {
		_, err := w.Append(body, id)
		return err
	})
}

// append writes a record, and waits until this node's database has it.
func (r *Recorder) append(o *op, to func(body []byte, id string) error) error {
	body, err := encode(o)
	if err != nil {
		return err
	}
	id := newID()
	result, forget := r.view.expect(id)
	defer forget()
	if err := to(body, id); err != nil {
		return err
	}
	return r.await(result)
}

// ofRun writes a record of a run.
func (r *Recorder) ofRun(o *op) error {
	if r.cluster == nil {
		return errDetached
	}
	known, ok, err := r.view.store.FindRun(o.ID)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("run %s: run %w: %w", o.ID, store.ErrNotFound, run.ErrPermanent)
	}
	return r.write(known.Task, o)
}

// ofAll writes a record of no task.
func (r *Recorder) ofAll(o *op) error {
	if r.cluster == nil {
		return errDetached
	}
	return r.append(o, r.cluster.appendShared)
}

// await waits until this node's database has a record, which is in the log. Nothing is lost if it
// does not come: the error is for who must not go on as if it had.
func (r *Recorder) await(result <-chan error) error {
	for {
		r.view.mu.Lock()
		applied, broken := r.view.applied, r.view.err
		r.view.mu.Unlock()
		if broken != nil {
			return fmt.Errorf("%w: %w", broken, run.ErrPermanent)
		}
		select {
		case err := <-result:
			return err
		case <-applied:
		case <-r.view.done:
			return fmt.Errorf("the node is stopping: %w", run.ErrPermanent)
		}
	}
}

// CreateRun implements store.Recorder, as do the methods that follow.
func (r *Recorder) CreateRun(s store.Run) error { return r.write(s.Task, &op{Kind: opCreate, Run: &s}) }

func (r *Recorder) CreateRunFrom(s store.Run, first run.Commit, c *data.Constants) error {
	if _, err := r.writer(s.Task); err != nil {
		return err
	}
	rest, v := split(first)
	name, err := r.cluster.put(s.ID, first.Round, v)
	if err != nil {
		return err
	}
	return r.write(s.Task, &op{Kind: opCreateFrom, Run: &s, Commit: &rest, Object: name, Constants: c})
}

func (r *Recorder) SetTask(s store.Run) error {
	return r.ofRun(&op{Kind: opSetTask, ID: s.ID, Run: &s})
}

func (r *Recorder) SetDataHash(id string, hash [32]byte) error {
	return r.ofRun(&op{Kind: opSetDataHash, ID: id, Hash: hash})
}

func (r *Recorder) Extend(id string, e store.Extension) error {
	return r.ofRun(&op{Kind: opExtend, ID: id, Extension: &e})
}

func (r *Recorder) Annotate(id, note string) error {
	return r.ofRun(&op{Kind: opAnnotate, ID: id, Text: note})
}

func (r *Recorder) Pin(id string, version uint64, pinned bool) error {
	return r.ofRun(&op{Kind: opPin, ID: id, Number: version, Flag: pinned})
}

// Delete deletes the run's objects too.
func (r *Recorder) Delete(id string) error {
	if err := r.ofRun(&op{Kind: opDelete, ID: id}); err != nil {
		return err
	}
	return r.cluster.sweep(id, func(uint64) bool { return false })
}

func (r *Recorder) ReserveParticipants(id string, limit uint32) error {
	return r.ofRun(&op{Kind: opReserve, ID: id, Number: uint64(limit)})
}

func (r *Recorder) Depart(id string, participants []uint32, at time.Time) error {
	return r.ofRun(&op{Kind: opDepart, ID: id, Participants: participants, At: at})
}

func (r *Recorder) OpenRound(id string, o run.OpenRound) error {
	return r.ofRun(&op{Kind: opOpenRound, ID: id, Open: &o})
}

func (r *Recorder) Sum(id string, s run.Sum) error {
	return r.ofRun(&op{Kind: opSum, ID: id, Sum: &s})
}

// sweepEvery is the number of commits from one sweep of a run's objects to the next.
const sweepEvery = 25

// Commit stores the vectors before the record that names them.
func (r *Recorder) Commit(id string, c run.Commit) error {
	if r.cluster == nil {
		return errDetached
	}
	rest, v := split(c)
	name, err := r.cluster.put(id, c.Round, v)
	if err != nil {
		return err
	}
	if err := r.ofRun(&op{Kind: opCommit, ID: id, Commit: &rest, Object: name}); err != nil {
		return err
	}
	r.mu.Lock()
	r.sizes[id]++
	due := r.sizes[id]%sweepEvery == 0
	r.mu.Unlock()
	if due {
		go r.sweep(id, c.Round)
	}
	return nil
}

// sweep deletes the objects of versions that are no longer kept, up to the newest that was committed.
func (r *Recorder) sweep(id string, newest uint64) {
	kept, err := r.view.store.Kept(id)
	if err == nil {
		is := map[uint64]bool{}
		for _, v := range kept {
			is[v] = true
		}
		err = r.cluster.sweep(id, func(v uint64) bool { return v > newest || is[v] })
	}
	if err != nil {
		r.view.log.Warn("objects of versions that are no longer kept stay for now", "run", id, "error", err)
	}
}

func (r *Recorder) Evaluate(id string, e run.Evaluation) error {
	return r.ofRun(&op{Kind: opEvaluate, ID: id, Evaluation: &e})
}

func (r *Recorder) Constants(id string, c data.Constants) error {
	return r.ofRun(&op{Kind: opConstants, ID: id, Constants: &c})
}

func (r *Recorder) Pause(id, reason string, at time.Time) error {
	return r.ofRun(&op{Kind: opPause, ID: id, Text: reason, At: at})
}

func (r *Recorder) Resume(id string) error { return r.ofRun(&op{Kind: opResume, ID: id}) }

func (r *Recorder) Finish(id, reason string, at time.Time) error {
	return r.ofRun(&op{Kind: opFinish, ID: id, Text: reason, At: at})
}

func (r *Recorder) Log(id string, entries []run.LogEntry, ledger run.Ledger) error {
	return r.ofRun(&op{Kind: opLog, ID: id, Entries: entries, Ledger: &ledger})
}

func (r *Recorder) AddInvite(i invite.Invite, now time.Time) error {
	return r.ofAll(&op{Kind: opAddInvite, Invite: &i, At: now})
}

func (r *Recorder) UseInvite(i invite.Invite, now time.Time) error {
	return r.ofAll(&op{Kind: opUseInvite, Invite: &i, At: now})
}

func (r *Recorder) ReturnInvite(id invite.ID) error {
	return r.ofAll(&op{Kind: opReturnInvite, Invite: &invite.Invite{ID: id}})
}

func (r *Recorder) RevokeInvite(id invite.ID) error {
	return r.ofAll(&op{Kind: opRevokeInvite, Invite: &invite.Invite{ID: id}})
}
