package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fedtab/coordinator/store"
	"fedtab/learn"
	"fedtab/protocol/invite"
	"fedtab/run"

	"github.com/nats-io/nats-server/v2/server"
)

// broker is a server on loopback, with JetStream unless edit takes it away.
func broker(t *testing.T, edit func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true, ServerName: "one"}
	if edit != nil {
		edit(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

// testConfig is that of a node of a cluster of one server.
func testConfig(url, node string) Config {
	return Config{URL: url, Name: "test", Node: node, Replicas: 1, Unsafe: true, Log: slog.New(slog.DiscardHandler)}
}

// node is a node with its database.
type node struct {
	t *testing.T
	*Cluster
	store    *store.Store
	view     *View
	recorder *Recorder
	stop     func()
}

// start starts a node whose database is in dir.
func start(t *testing.T, url, name, dir string) *node {
	t.Helper()
	c, err := Open(t.Context(), testConfig(url, name))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, Cluster: c}
	if n.store, err = store.Open(dir, "test"); err != nil {
		t.Fatal(err)
	}
	local := n.store.Via(nil)
	if n.view, err = NewView(c, local, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	n.recorder = NewRecorder(c, n.view)
	n.store.Via(n.recorder)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.view.Follow(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		c.Close()
		n.store.Close()
	})
	t.Cleanup(n.stop)
	return n
}

// drive has the node drive a task, in a term of its own.
func (n *node) drive(task string, term uint64) *Writer {
	n.t.Helper()
	w, err := n.Begin(n.t.Context(), task, term, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.recorder.Drive(task, w)
	if err := n.view.Wait(n.t.Context(), w.Last()); err != nil {
		n.t.Fatal(err)
	}
	return w
}

func testRun(id, task string) store.Run {
	return store.Run{ID: id, Task: task, Title: "T", Spec: []byte("name: " + task), Seed: 1, Created: time.Unix(1e9, 0)}
}

// commit opens and commits a round of a few parameters.
func commit(t *testing.T, s *store.Store, id string, round uint64) error {
	params := []float32{float32(round), 1, 2}
	if err := s.OpenRound(id, run.OpenRound{Round: round, Order: round, Base: round - 1, Cohort: []uint32{1, 2}, Opened: time.Unix(1e9, 0), Deadline: time.Unix(1e9+60, 0), State: []byte("state")}); err != nil {
		return err
	}
	return s.Commit(id, run.Commit{
		Round: round, Base: round - 1, Hash: learn.Hash(params), Params: params, State: map[string][]float32{"momentum": {1, 2, float32(round)}, "a": {3}},
		Snapshot: []byte("snapshot"), Participants: []uint32{1, 2}, Contributions: []run.Contribution{{Participant: 1, Order: round, Weight: 3, Scale: 1, Counted: 3}},
		Weight: 3, TrainLoss: .5, Committed: time.Unix(1e9+int64(round), 0),
	})
}

// rows returns all that a database has of runs, as text.
func (n *node) rows() string {
	n.t.Helper()
	var b strings.Builder
	all, err := n.store.Runs(store.Filter{})
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range all {
		saved, err := n.store.Load(r.ID)
		if err != nil {
			n.t.Fatal(err)
		}
		lines, err := n.store.LogLines(r.ID, store.LogFilter{Limit: 1000})
		if err != nil {
			n.t.Fatal(err)
		}
		kept, err := n.store.Kept(r.ID)
		if err != nil {
			n.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s %d to %d %v %v\n", r.ID, r.Task, r.Version, r.Evaluated, saved.Participants, kept)
		if c := saved.Last; c != nil {
			fmt.Fprintf(&b, "%d %x %v %v %s\n", c.Round, c.Hash, c.Params, c.State, c.Snapshot)
		}
		for _, r := range saved.Rounds {
			fmt.Fprintf(&b, "%d %x %v %v\n", r.Round, r.Hash, r.Weight, r.TrainLoss)
		}
		for _, l := range lines {
			fmt.Fprintf(&b, "%+v\n", l)
		}
	}
	return b.String()
}

// TestClusterView: what one node writes is in the databases of all, also in one that comes later,
// and in one that was away.
func TestClusterView(t *testing.T) {
	url := broker(t, nil).ClientURL()
	a := start(t, url, "a", t.TempDir())
	dir := t.TempDir()
	b := start(t, url, "b", dir)
	w := a.drive("digits", 1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.store.CreateRun(testRun("r", "digits")))
	must(a.store.ReserveParticipants("r", 300))
	for round := range uint64(4) {
		must(commit(t, a.store, "r", round+1))
	}
	must(a.store.Log("r", []run.LogEntry{{At: time.Unix(1e9, 0), Kind: "join", Participant: 1, Detail: "x"}}, run.Ledger{}))
	must(a.store.Evaluate("r", run.Evaluation{Version: 4, Figures: learn.Figures{Loss: .25, Accuracy: .5}}))
	must(b.view.CatchUp(t.Context()))
	want := a.rows()
	if got := b.rows(); got != want {
		t.Errorf("the other node has\n%s\nwant\n%s", got, want)
	}
	b.stop()
	for round := range uint64(60) {
		must(commit(t, a.store, "r", round+5))
	}
	must(a.store.Log("r", []run.LogEntry{{At: time.Unix(1e9, 0), Kind: "leave", Participant: 1}}, run.Ledger{}))
	must(a.store.Pin("r", 50, true))
	a.recorder.sweep("r", 64)
	want = a.rows()
	b = start(t, url, "b", dir)
	must(b.view.CatchUp(t.Context()))
	if got := b.rows(); got != want {
		t.Errorf("a node that was away has\n%s\nwant\n%s", got, want)
	}
	c := start(t, url, "c", t.TempDir())
	must(c.view.CatchUp(t.Context()))
	if got := c.rows(); got != want {
		t.Errorf("a node that is new has\n%s\nwant\n%s", got, want)
	}
	if err := b.store.Annotate("r", "note"); err == nil || !strings.Contains(err.Error(), "no node drives task digits") {
		t.Errorf("a node that does not drive the task writes: %v", err)
	}
	if err := a.store.Pin("r", 999, true); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an order that cannot be carried out: %v", err)
	}
	if w.Last() == 0 {
		t.Error("nothing was written")
	}
}

// TestClusterFenced: a writer whose term is over writes nothing, however it wakes; a term that is not
// newer does not begin.
func TestClusterFenced(t *testing.T) {
	url := broker(t, nil).ClientURL()
	a, b := start(t, url, "a", t.TempDir()), start(t, url, "b", t.TempDir())
	a.drive("digits", 1)
	if err := a.store.CreateRun(testRun("r", "digits")); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, a.store, "r", 1); err != nil {
		t.Fatal(err)
	}
	b.drive("digits", 2) // while a sleeps
	if err := commit(t, a.store, "r", 2); !errors.Is(err, ErrFenced) || !errors.Is(err, run.ErrPermanent) {
		t.Errorf("a node whose term is over commits: %v", err)
	}
	if err := commit(t, b.store, "r", 2); err != nil {
		t.Error(err)
	}
	if err := a.store.Annotate("r", "x"); !errors.Is(err, ErrFenced) {
		t.Errorf("and annotates: %v", err)
	}
	if _, err := a.Begin(t.Context(), "digits", 2, nil); !errors.Is(err, ErrFenced) {
		t.Errorf("a term that is not newer begins: %v", err)
	}
	for _, n := range []*node{a, b} {
		if err := n.view.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if x, y := a.rows(), b.rows(); x != y {
		t.Errorf("the databases differ:\n%s\n%s", x, y)
	}
}

// TestClusterTooLarge: a record that the servers would never take is an error that no later try cures,
// and what to change; it is not tried for ever.
func TestClusterTooLarge(t *testing.T) {
	n := start(t, broker(t, nil).ClientURL(), "a", t.TempDir())
	w := n.drive("digits", 1)
	if _, err := w.Append(make([]byte, 2<<20), newID()); !errors.Is(err, run.ErrPermanent) || !strings.Contains(err.Error(), "a record of 2097152 bytes, and the servers take 1048576: want a larger max_payload") {
		t.Errorf("got %v", err)
	}
	if err := n.store.CreateRun(testRun("r", "digits")); err != nil {
		t.Errorf("what comes after it: %v", err)
	}
}

// TestClusterRace: of nodes that all write, whose connections break again and again, one sequence of
// versions comes out, without a gap and without two of one number.
func TestClusterRace(t *testing.T) {
	s := broker(t, nil)
	url := s.ClientURL()
	var nodes []*node
	for i := range 3 {
		nodes = append(nodes, start(t, url, fmt.Sprint("n", i), t.TempDir()))
	}
	nodes[0].drive("digits", 1)
	if err := nodes[0].store.CreateRun(testRun("r", "digits")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // breaks connections
		for ctx.Err() == nil {
			time.Sleep(400 * time.Millisecond)
			conns, _ := s.Connz(&server.ConnzOptions{})
			if n := len(conns.Conns); n > 0 {
				s.DisconnectClientByID(conns.Conns[rand.IntN(n)].Cid)
			}
		}
	}()
	var wait sync.WaitGroup
	var mu sync.Mutex
	term := uint64(1)
	for _, n := range nodes {
		wait.Go(func() {
			for range 6 {
				mu.Lock()
				term++
				mine := term
				mu.Unlock()
				w, err := n.Begin(ctx, "digits", mine, nil)
				if err != nil {
					continue // another was newer
				}
				n.recorder.Drive("digits", w)
				if n.view.Wait(ctx, w.Last()) != nil {
					continue
				}
				for range 5 {
					saved, err := n.store.Load("r")
					if err != nil {
						t.Error(err)
						return
					}
					next := uint64(1)
					if saved.Last != nil {
						next = saved.Last.Round + 1
					}
					if err := commit(t, n.store, "r", next); errors.Is(err, ErrFenced) {
						break
					} else if errors.Is(err, run.ErrPermanent) {
						t.Errorf("commit %d: %v", next, err)
						return
					} // Any other is tried again, as a run does.
				}
			}
		})
	}
	wait.Wait()
	cancel()
	for _, n := range nodes {
		if err := n.view.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	saved, err := nodes[0].store.Load("r")
	if err != nil || saved.Last == nil {
		t.Fatal(err)
	}
	for i, r := range saved.Rounds {
		if r.Round != uint64(i)+1 || r.Hash != learn.Hash([]float32{float32(i + 1), 1, 2}) {
			t.Errorf("version %d is %d", i+1, r.Round)
		}
	}
	t.Logf("%d versions", len(saved.Rounds))
	for _, n := range nodes[1:] {
		if got, want := n.rows(), nodes[0].rows(); got != want {
			t.Errorf("the databases differ:\n%s\n%s", got, want)
		}
	}
}

// TestClusterInvites: of one use of an invite, which all nodes try to take at once, one gets it.
func TestClusterInvites(t *testing.T) {
	url := broker(t, nil).ClientURL()
	i := invite.Invite{ID: invite.ID{1}, Task: "digits", Uses: 1, Expires: time.Now().Add(time.Hour).Truncate(time.Second)}
	var got [3]error
	var wait sync.WaitGroup
	for k := range got {
		n := start(t, url, fmt.Sprint("n", k), t.TempDir())
		wait.Go(func() { got[k] = n.store.UseInvite(i, time.Now()) })
	}
	wait.Wait()
	admitted := 0
	for _, err := range got {
		if err == nil {
			admitted++
		} else if !errors.Is(err, invite.ErrUsedUp) {
			t.Error(err)
		}
	}
	if admitted != 1 {
		t.Errorf("%d were admitted by one use", admitted)
	}
}

// TestClusterLease: one node has a lease at a time; it passes on at once when it is released, and
// within seconds when its holder is gone. Its terms grow.
func TestClusterLease(t *testing.T) {
	url := broker(t, nil).ClientURL()
	open := func(name string) *Cluster {
		c, err := Open(t.Context(), testConfig(url, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	a, b := open("a"), open("b")
	first, err := a.Acquire(t.Context(), "digits")
	if err != nil {
		t.Fatal(err)
	}
	first.Tell("r")
	if _, err := b.Acquire(t.Context(), "digits"); !errors.Is(err, ErrHeld) {
		t.Errorf("a lease that is held: %v", err)
	}
	if h, err := b.Holder(t.Context(), "digits"); err != nil || h != (Holder{"a", first.Term(), "r"}) {
		t.Errorf("holder %+v, %v", h, err)
	}
	first.Release()
	second, err := b.Acquire(t.Context(), "digits")
	if err != nil || second.Term() <= first.Term() {
		t.Fatalf("after it was released: term %d after %d, %v", second.Term(), first.Term(), err)
	}
	b.Close() // as if the process were gone
	start := time.Now()
	for {
		third, err := a.Acquire(t.Context(), "digits")
		if err == nil {
			if third.Term() <= second.Term() {
				t.Errorf("term %d after %d", third.Term(), second.Term())
			}
			third.Release()
			break
		}
		if !errors.Is(err, ErrHeld) || time.Since(start) > 3*leaseTTL {
			t.Fatalf("%v after its holder was gone: %v", time.Since(start), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	select {
	case <-second.Done():
	case <-time.After(3 * leaseTTL):
		t.Error("who lost it does not learn so")
	}
}

// TestClusterRefused: what cannot be a cluster is refused in one line, and nothing is written.
func TestClusterRefused(t *testing.T) {
	good := broker(t, nil).ClientURL()
	if c, err := Open(t.Context(), testConfig(good, "a")); err != nil {
		t.Fatal(err)
	} else {
		c.Close()
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "nats://" + free.Addr().String()
	free.Close()
	system := func(o *server.Options) {
		sys, app := server.NewAccount("SYS"), server.NewAccount("APP")
		o.Accounts, o.SystemAccount = []*server.Account{sys, app}, "SYS"
		o.Users = []*server.User{{Username: "app", Password: "p", Account: app}, {Username: "sys", Password: "p", Account: sys}}
		o.SyncAlways, o.SyncInterval = false, 2*time.Minute
	}
	lax := broker(t, system)
	if acc, err := lax.LookupAccount("APP"); err != nil {
		t.Fatal(err)
	} else if err := acc.EnableJetStream(nil, nil); err != nil {
		t.Fatal(err)
	}
	with := func(url, user string) string { return strings.Replace(url, "nats://", "nats://"+user+":p@", 1) }
	for name, c := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"nobody":    {func(c *Config) { c.URL = nobody }, "no server answers: want the address of a NATS server"},
		"jetstream": {func(c *Config) { c.URL = broker(t, func(o *server.Options) { o.JetStream = false }).ClientURL() }, "has no JetStream for this account: want jetstream {}"},
		"credentials": {func(c *Config) {
			c.URL = broker(t, func(o *server.Options) { o.Username, o.Password = "a", "b" }).ClientURL()
		}, "refuses the credentials: want --cluster-creds"},
		"tls":     {func(c *Config) { c.URL = strings.Replace(good, "nats:", "tls:", 1) }, "want --cluster-ca"},
		"unknown": {func(c *Config) { c.Unsafe = false }, "want --cluster-system-creds, by which that can be seen, or --cluster-unsafe"},
		"lax": {func(c *Config) {
			c.Unsafe, c.URL, c.systemURL = false, with(lax.ClientURL(), "app"), with(lax.ClientURL(), "sys")
		}, "server one writes to its disk every 2m0s, and acknowledges before: want sync_interval: always"},
		"replicas": {func(c *Config) { c.Replicas = 3 }, "has replicas 1, want 3"},
		"another":  {func(c *Config) { c.ID = "0011223344556677" }, "belongs to cluster 0011223344556677: want its servers, or another --data"},
		"gone":     {func(c *Config) { c.ID, c.Name = "0011223344556677", "other" }, "there is no cluster other, and this node's database belongs to one"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(good, "a")
			c.edit(&cfg)
			_, err := Open(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "--cluster ") {
				t.Errorf("got  %v\nwant one line with %q", err, c.want)
			}
		})
	}
}

// TestClusterEmbed: three servers of one machine are a cluster with three replicas, which goes on
// without one of them.
func TestClusterEmbed(t *testing.T) {
	dir := t.TempDir()
	port := freePorts(t)
	var servers []*Embedded
	var wait sync.WaitGroup
	var mu sync.Mutex
	for i := range 3 {
		wait.Go(func() {
			e, err := Embed(fmt.Sprintf("embed:%d/3@%d", i+1, port), "test", filepath.Join(dir, fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			servers = append(servers, e)
			mu.Unlock()
		})
	}
	wait.Wait()
	if len(servers) != 3 {
		t.Fatal("they do not start")
	}
	cfg := Config{URL: servers[0].URL() + "," + servers[1].URL() + "," + servers[2].URL(), Name: "test", Node: "a", Replicas: 3, Durable: true}
	c, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.Begin(t.Context(), "digits", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	servers[0].Close()
	start := time.Now()
	for i := range 5 {
		body, _ := encode(&op{Kind: opAnnotate, ID: fmt.Sprint(i)})
		if _, err := w.Append(body, newID()); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("it took %v to go on without a server", d)
	}
	for _, e := range servers[1:] {
		e.Close()
	}
}

// freePorts returns a port from which on nobody listens, for clients and routes.
func freePorts(t *testing.T) int {
	for port := 14_222; port < 14_222+routesFrom-10; port += 10 {
		free := true
		for i := range 3 {
			for _, p := range []int{port + i, port + routesFrom + i} {
				l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
				if free = free && err == nil; err == nil {
					l.Close()
				}
			}
		}
		if free {
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

// TestClusterAppliedTwice: a record that a node has applied, and was killed before it knew so,
// changes nothing when it comes again.
func TestClusterAppliedTwice(t *testing.T) {
	n := start(t, broker(t, nil).ClientURL(), "a", t.TempDir())
	n.drive("digits", 1)
	if err := n.store.CreateRun(testRun("r", "digits")); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0)
	i := invite.Invite{ID: invite.ID{1}, Task: "digits", Uses: 9, Expires: time.Now().Add(time.Hour).Truncate(time.Second)}
	for k, o := range []*op{
		{Kind: opLog, ID: "r", Entries: []run.LogEntry{{At: at, Kind: "join", Participant: 1}}, Ledger: &run.Ledger{}},
		{Kind: opUseInvite, Invite: &i, At: at},
	} {
		for range 2 {
			if err := o.apply(n.view.store, uint64(1000+k), n.view.object); err != nil {
				t.Fatal(err)
			}
		}
	}
	lines, err := n.store.LogLines("r", store.LogFilter{Limit: 10})
	if err != nil || len(lines) != 1 {
		t.Errorf("%d lines in the event log, want 1 (%v)", len(lines), err)
	}
	all, err := n.store.Invites()
	if err != nil || len(all) != 1 || all[0].Used != 1 {
		t.Errorf("invites %+v, want one that was used once (%v)", all, err)
	}
}
