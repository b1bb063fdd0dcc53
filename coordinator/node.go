package main

// This process as a node of a cluster (docs/adr/0034-cluster.md): for each task it drives the run,
// or holds sockets of participants for the node that does.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/cluster"
	"fedtab/coordinator/cluster/link"
	streams "fedtab/coordinator/cluster/stream"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/live"
	"fedtab/run"

	"github.com/nats-io/nats.go"
)

// node is what a node has beside what every coordinator has.
type node struct {
	server   *Server
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
	n := &node{server: s, stopFollowing: func() {}}
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
			if h, e := s.node.cluster.Holder(ctx, name); err == nil && e == nil && h.Node != "" && h.Node != s.node.cluster.Node() && len(why) > 0 {
				err = fmt.Errorf("task %s has other settings than run %s, which node %s drives (%s): want the same task and data at every node", name, last.ID, h.Node, strings.Join(why, "; "))
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
func (s *Server) serveNode(context.Context) error {
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

// handedOver is what participants are told when the run they are in is driven elsewhere.
const handedOver = "this run is handed over to another process of the coordinator: reconnect"

// vacate ends a role.
func (s *Server) vacate(st *study) {
	st.become(&vacant, hub.Vacant{})
	st.role.edge.Store(nil)
	s.hub.Vacate(st.room, handedOver)
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

// elsewhere returns what answers organisers' requests that another node must carry out; nil without
// a cluster.
func (s *Server) elsewhere() func(http.ResponseWriter, *http.Request) bool {
	if s.node == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		task := s.subject(r.URL.Path)
		if task == "" {
			return false
		}
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		h, err := s.node.cluster.Holder(ctx, task)
		if err != nil || h.Node == "" || h.Node == s.node.cluster.Node() {
			return false // this node says what is the matter
		}
		s.forward(w, r, h.Node)
		return true
	}
}

// subject returns the task that an organiser's request is about, empty if it is about none.
func (s *Server) subject(path string) string {
	rest, ok := strings.CutPrefix(path, admin.Root+"/")
	if !ok {
		return ""
	}
	kind, rest, _ := strings.Cut(rest, "/")
	name, _, _ := strings.Cut(rest, "/")
	if s.find(name) != nil {
		return name
	}
	if kind != "runs" {
		return ""
	}
	if r, err := s.backend.Find(name); err == nil {
		return r.Task
	}
	return ""
}

// forwardTimeout bounds an order that another node carries out.
const forwardTimeout = 3 * time.Minute

// forward has another node carry a request out, and passes its answer on.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, node string) {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), forwardTimeout)
	defer cancel()
	m, err := s.node.cluster.NATS().RequestWithContext(ctx, s.node.cluster.NodeSubject(node), b.Bytes())
	if err != nil {
		http.Error(w, fmt.Sprintf("node %s, which drives the run, does not answer: %v", node, err), http.StatusServiceUnavailable)
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(m.Data)), r)
	if err != nil {
		http.Error(w, fmt.Sprintf("node %s answers: %v", node, err), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for k, v := range answer.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

// forwarded carries a request of another node out.
func (s *Server) forwarded(m *nats.Msg) {
	go func() {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(m.Data)))
		if err != nil {
			s.cfg.Log.Warn("a node forwards what is no request", "error", err)
			return
		}
		a := &answer{header: http.Header{}, status: http.StatusOK}
		s.admin.Forwarded().ServeHTTP(a, r)
		whole := http.Response{StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: a.header, ContentLength: int64(a.body.Len()), Body: io.NopCloser(&a.body)}
		var b bytes.Buffer
		if err = whole.Write(&b); err == nil {
			err = m.Respond(b.Bytes())
		}
		if err != nil {
			s.cfg.Log.Warn("the answer to a node is lost", "error", err)
		}
	}()
}

// answer keeps an answer. It is a http.ResponseWriter.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
