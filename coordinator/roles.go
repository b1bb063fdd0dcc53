package main

// What this node of a cluster is for each of its studies: it drives the run, or is an edge.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/coordinator/cluster"
	"fedtab/coordinator/cluster/link"
	streams "fedtab/coordinator/cluster/stream"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/live"
	"fedtab/run"
)

// role is what this node is for a study.
type role struct {
	owner   hub.Switch
	name    atomic.Pointer[string]
	edge    atomic.Pointer[link.Edge]
	driving atomic.Bool
	lease   atomic.Pointer[cluster.Lease]
}

// The roles.
var (
	owns   = "owner"
	edges  = "edge"
	vacant = "vacant"
)

// links are the links to the edges of a run that this node drives.
type links struct {
	mu    sync.Mutex
	hosts map[*link.Host]func() // with what ends each
}

// add adds a link, which end ends.
func (l *links) add(h *link.Host, end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hosts == nil {
		l.hosts = map[*link.Host]func(){}
	}
	l.hosts[h] = end
}

func (l *links) remove(h *link.Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.hosts, h)
}

// publish tells the edges of a change.
func (l *links) publish(u run.Update) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.hosts {
		h.Publish(u)
	}
}

// end ends all links: the edges connect again.
func (l *links) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.hosts {
		end()
	}
}

// begins begins a term of a study: this node writes its records from now on.
func (s *Server) begins(ctx context.Context, st *study, lease *cluster.Lease) error {
	name := st.Task.Name
	var last atomic.Int64 // when the log was told, nanoseconds
	w, err := s.node.cluster.Begin(ctx, name, lease.Term(), func(err error) {
		now := time.Now().UnixNano()
		if err == nil {
			s.cfg.Log.Info("the cluster's log can be written to again", "task", name)
		} else if was := last.Load(); now-was > int64(10*time.Second) && last.CompareAndSwap(was, now) {
			s.cfg.Log.Warn("the cluster's log cannot be written to, trying again", "task", name, "error", err)
		}
	})
	if err != nil {
		return err
	}
	s.node.recorder.Drive(name, w)
	if err := s.node.view.Wait(ctx, w.Last()); err != nil {
		s.node.recorder.Yield(name)
		return err
	}
	return nil
}

// serveNode takes roles until handOver. It does nothing without a cluster.
func (s *Server) serveNode() error {
	n := s.node
	if n == nil {
		return nil
	}
	var err error
	if n.orders, err = n.cluster.NATS().Subscribe(n.cluster.NodeSubject(n.cluster.Node()), s.forwarded); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stopRoles = stop
	for _, st := range s.studies() {
		n.roles.Go(func() { s.takeRoles(ctx, st) })
	}
	return nil
}

// handOver ends this node's roles: other nodes take them, and its participants are told to
// reconnect.
func (s *Server) handOver() {
	n := s.node
	if n == nil || n.stopRoles == nil {
		return
	}
	n.stopRoles()
	n.roles.Wait()
	n.orders.Unsubscribe()
}

// takeRoles drives the run of a study, or serves it as an edge, until ctx ends.
func (s *Server) takeRoles(ctx context.Context, st *study) {
	log := s.cfg.Log.With("task", st.Task.Name)
	var told string
	for ctx.Err() == nil {
		if s.node.view.Err() != nil {
			<-ctx.Done() // it would take leases, and could do nothing with them
			return
		}
		lease, err := s.node.cluster.Acquire(ctx, st.Task.Name)
		switch {
		case err == nil:
			err = s.drive(ctx, st, lease)
			lease.Release()
		case errors.Is(err, cluster.ErrHeld):
			err = s.follow(ctx, st)
		}
		if err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			log.Warn("this node has no role for the run, trying again", "error", err)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
		}
	}
}

// become sets the role of this node for a study.
func (st *study) become(name *string, owner hub.Owner) {
	st.role.name.Store(name)
	st.role.owner.Set(owner)
}

// vacate ends a role.
func (s *Server) vacate(st *study) {
	st.become(&vacant, hub.Vacant{})
	st.role.edge.Store(nil)
	s.hub.Vacate(st.room, link.HandedOver)
}

// drive drives the run of a study until the lease is lost, ctx ends, or the run must be begun anew
// from the log, because an edge is lost with contributions.
func (s *Server) drive(ctx context.Context, st *study, lease *cluster.Lease) error {
	n, name := s.node, st.Task.Name
	log := s.cfg.Log.With("task", name, "term", lease.Term())
	if err := s.begins(ctx, st, lease); err != nil {
		return err
	}
	defer n.recorder.Yield(name)
	st.role.driving.Store(true)
	defer st.role.driving.Store(false)
	id, saved, err := s.runOf(st)
	if err != nil {
		return err
	}
	if err := s.replace(st, id, saved); err != nil {
		return err
	}
	linked, unlink := context.WithCancel(context.Background())
	defer unlink()
	var serving sync.WaitGroup
	defer serving.Wait()
	again := make(chan string, 1)
	listener, err := streams.Listen(n.cluster.NATS(), n.cluster.LinkSubject(name, lease.Term()), func(str *streams.Stream, edge string) {
		serving.Go(func() { s.host(linked, st, str, edge, again) })
	})
	if err != nil {
		return err
	}
	st.role.lease.Store(lease)
	defer st.role.lease.Store(nil)
	lease.Tell(id)
	st.become(&owns, hub.Local{Live: st.live})
	log.Info("this node drives the run", "run", id)
	select {
	case <-ctx.Done():
	case <-lease.Done():
		err = lease.Err()
	case why := <-again:
		err = errors.New(why)
	}
	listener.Close()
	s.vacate(st)
	if ctx.Err() != nil {
		settled := make(chan struct{})
		go func() { st.live.Settle(); close(settled) }()
		select {
		case <-settled:
		case <-time.After(settleTimeout): // the log cannot be written to
		}
	}
	unlink()
	log.Info("this node drives the run no longer", "run", st.Run(), "reason", err)
	return nil
}

// host serves an edge's link.
func (s *Server) host(ctx context.Context, st *study, str *streams.Stream, edge string, again chan<- string) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var host *link.Host
	checker := live.NewChecker(st.Model.Layout().Size, st.Task.Strategy.Vectors(), st.Task.StartSeed(), live.NewLease(live.LeaseBytes(st.Model.Layout().Size, st.Task.Strategy.Vectors())))
	checker.KeepIn(s.vault)
	s.cfg.Log.Info("an edge is here", "task", st.Task.Name, "node", edge)
	err := link.Serve(ctx, str, st.live, checker, func(h *link.Host) {
		host = h
		st.links.add(h, end)
	}, func() {
		select {
		case again <- "edge " + edge + " is lost with contributions that were accepted: the round is gone on with from the log":
		default:
		}
	})
	st.links.remove(host)
	s.cfg.Log.Info("an edge is gone", "task", st.Task.Name, "node", edge, "reason", err)
}

// follow serves a study as an edge of the node that drives its run, until that changes.
func (s *Server) follow(ctx context.Context, st *study) error {
	n, name := s.node, st.Task.Name
	h, err := n.cluster.Holder(ctx, name)
	if err != nil || h.Term == 0 {
		return err // it has not begun, or has just ended
	}
	if h.Node == n.cluster.Node() {
		return nil // an earlier process of this node: its lease is forgotten soon
	}
	str, err := streams.Dial(ctx, n.cluster.NATS(), n.cluster.LinkSubject(name, h.Term), n.cluster.Node())
	if err != nil {
		return err
	}
	linked, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.showRun(linked, st, h); err != nil {
		str.Close()
		return err
	}
	e := link.Connect(linked, str, link.Terms{Parameters: st.Model.Layout().Size, Sums: st.Task.Strategy.Sums(), Keeps: st.Task.Strategy.Keeps()}, func(u run.Update) { st.Feed.Publish(u) })
	st.role.edge.Store(e)
	st.become(&edges, e)
	s.cfg.Log.Info("this node is an edge of the run", "task", name, "run", h.Run, "owner", h.Node)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-e.Done():
			s.vacate(st)
			s.cfg.Log.Info("this node is an edge of the run no longer", "task", name, "reason", e.Err())
			return nil
		case <-look.C:
		}
		patience, stop := context.WithTimeout(ctx, lookEvery)
		now, err := n.cluster.Holder(patience, name)
		stop()
		if err == nil && (now.Node != h.Node || now.Term != h.Term || now.Run != h.Run) {
			cancel() // another drives it, or nobody
		}
	}
}

// showRun shows the run that another node drives.
func (s *Server) showRun(ctx context.Context, st *study, h cluster.Holder) error {
	if err := s.node.view.CatchUp(ctx); err != nil {
		return err
	}
	r, ok, err := s.store.FindRun(h.Run)
	if err != nil || !ok {
		return fmt.Errorf("run %s of node %s is not in the log: %w", h.Run, h.Node, err)
	}
	if why, err := changes(st.Task, st.Data, r); err != nil || len(why) > 0 {
		return fmt.Errorf("task %s has other settings than run %s, which node %s drives (%s): want the same task and data at every node", st.Task.Name, r.ID, h.Node, strings.Join(why, "; "))
	}
	saved, err := s.store.Load(h.Run)
	if err != nil {
		return err
	}
	return s.replace(st, h.Run, &saved)
}
