package main

// This process as a node of a cluster (docs/adr/0034-cluster.md): for each task it drives the run,
// or holds sockets of participants for the node that does.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"fedtab/coordinator/cluster"
	"fedtab/run"

	"github.com/nats-io/nats.go"
)

// node is what a node has beside what every coordinator has.
type node struct {
	embedded *cluster.Embedded // nil: the servers are elsewhere
	cluster  *cluster.Cluster
	view     *cluster.View
	recorder *cluster.Recorder
	orders   *nats.Subscription

	stopFollowing func()
	following     sync.WaitGroup
	stopRoles     func() // nil before serveNode
	roles         sync.WaitGroup
}

// Times of a node.
const (
	catchUpTimeout = 10 * time.Minute       // until the database has what the log has
	lookEvery      = 250 * time.Millisecond // at who has a lease
	settleTimeout  = 3 * time.Second        // for what a run has yet to write when its node stops
	createTimeout  = 2 * time.Minute        // until the run of a new task is there
)

// joinCluster connects to the cluster, if there is to be one, and follows its log.
func (s *Server) joinCluster() error {
	cfg := s.cfg.Cluster
	id, err := cluster.Known(s.store)
	if err != nil {
		return err
	}
	if cfg.URL == "" {
		if id != "" {
			return fmt.Errorf("--data %s: the database is that of a node of cluster %s: want --cluster, or another directory", s.cfg.Data, id)
		}
		return nil
	}
	if s.cfg.From != "" || s.cfg.Fresh {
		return errors.New("--cluster: --fresh and --from are for a coordinator alone; begin the next run by coordinator run")
	}
	n := &node{stopFollowing: func() {}}
	s.node = n
	cfg.ID, cfg.Log = id, s.cfg.Log
	if cluster.IsEmbed(cfg.URL) {
		if n.embedded, err = cluster.Embed(cfg.URL, cfg.Name, s.cfg.Data); err != nil {
			return err
		}
		cfg.URL, cfg.Durable, cfg.Replicas = n.embedded.URL(), true, n.embedded.Servers()
	}
	if n.cluster, err = cluster.Open(context.Background(), cfg); err != nil {
		return err
	}
	local := s.store.Via(nil)
	if n.view, err = cluster.NewView(n.cluster, local, s.cfg.Log); err != nil {
		return fmt.Errorf("--data %s: %w", s.cfg.Data, err)
	}
	s.store.Trust(n.cluster.Secret())
	n.recorder = cluster.NewRecorder(n.cluster, n.view)
	s.store.Via(n.recorder)
	following, stop := context.WithCancel(context.Background())
	n.stopFollowing = stop
	n.following.Go(func() {
		if err := n.view.Follow(following); err != nil {
			s.cfg.Log.Error("this node cannot follow the cluster's log, and drives nothing", "error", err)
		}
	})
	patience, cancel := context.WithTimeout(context.Background(), catchUpTimeout)
	defer cancel()
	if err := n.view.CatchUp(patience); err != nil {
		return fmt.Errorf("--data %s: %w", s.cfg.Data, err)
	}
	s.cfg.Log.Info("joined the cluster", "cluster", cfg.Name, "node", cfg.Node, "id", n.cluster.ID(), "records", n.view.Position())
	return nil
}

func (n *node) close() {
	n.stopFollowing()
	n.following.Wait()
	if n.cluster != nil {
		n.cluster.Close()
	}
	if n.embedded != nil {
		n.embedded.Close()
	}
}

// drives reports whether this node drives the run of a study.
func (n *node) drives(st *study) bool { return n == nil || st.role.driving.Load() }

// place has a study's participants go where its run is driven.
func (n *node) place(st *study) {
	st.live.Held = true
	st.room.Owner = &st.role.owner
	st.role.name.Store(&vacant)
	st.Role = func() string { return *st.role.name.Load() }
	st.State = func(ctx context.Context) (run.State, error) {
		if st.role.driving.Load() {
			return st.live.State(ctx)
		}
		if e := st.role.edge.Load(); e != nil {
			if s, _, err := e.Stands(ctx); err == nil {
				return s, nil
			}
		}
		return st.Feed.State(), nil // as it was known last
	}
	st.Present = func(ctx context.Context) ([]run.Present, error) {
		if e := st.role.edge.Load(); e != nil && !st.role.driving.Load() {
			_, all, err := e.Stands(ctx)
			return all, err
		}
		return st.live.Present(ctx)
	}
}

// enlist prepares a study whose run the cluster has, or is to have: then this node creates it,
// unless another does.
func (s *Server) enlist(st *study) error {
	name := st.Task.Name
	if st.Task.Privacy.Differential() {
		return fmt.Errorf("task %s: privacy.noise: a cluster whose servers are put back to an earlier state would forget what was charged, and nothing would notice: want a coordinator alone for runs with noise", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	defer cancel()
	for {
		if err := s.node.view.CatchUp(ctx); err != nil {
			return fmt.Errorf("task %s: %w", name, err)
		}
		last, ok, err := s.store.LatestRun(name)
		if err != nil {
			return err
		}
		if ok {
			why, err := changes(st.Task, st.Data, last)
			if err == nil && len(why) > 0 { // otherwise who has the lease would decide what is trained
				err = fmt.Errorf("task %s has other settings than run %s of the cluster (%s): want the same task and data at every node, or a task of another name", name, last.ID, strings.Join(why, "; "))
			}
			if err != nil {
				return err
			}
			st.resumed = true
			saved, err := s.store.Load(last.ID)
			if err != nil {
				return err
			}
			return s.prepareRun(st, last.ID, &saved)
		}
		if err := s.create(ctx, st); err != nil {
			return err
		}
	}
}

// create creates the first run of a task, if no other node does so.
func (s *Server) create(ctx context.Context, st *study) error {
	name := st.Task.Name
	lease, err := s.node.cluster.Acquire(ctx, name)
	if errors.Is(err, cluster.ErrHeld) {
		select {
		case <-time.After(lookEvery):
			return nil
		case <-ctx.Done():
			return fmt.Errorf("task %s: the node that is to create its run does not: %w", name, ctx.Err())
		}
	}
	if err != nil {
		return err
	}
	defer lease.Release()
	if err := s.begins(ctx, st, lease); err != nil {
		return err
	}
	defer s.node.recorder.Yield(name)
	if _, ok, err := s.store.LatestRun(name); ok || err != nil {
		return err
	}
	_, err = s.begin(st)
	return err
}
