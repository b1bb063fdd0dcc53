package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fedtab/coordinator/cluster"
	"fedtab/coordinator/swarm"
	"fedtab/learn"
	"fedtab/run"
)

// nodes are processes that are nodes of a cluster, with a load balancer before them, and three NATS
// servers in this process.
type nodes struct {
	t       *testing.T
	task    string
	servers []*cluster.Embedded
	port    int // of the first server
	all     []*process
	balance *gate
}

// process is one node.
type process struct {
	name, address, dir string
	nats               string // addresses of servers, as the node knows them
	command            *exec.Cmd
	running            bool
	asleep             atomic.Bool // a balancer that checks its targets leaves it out
	toNATS             *gate       // through which it reaches the servers; nil: directly
}

// gate is a TCP proxy that chooses among targets, and can be shut.
type gate struct {
	listener net.Listener
	targets  func() []string
	shut     atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newGate(t *testing.T, targets func() []string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, targets: targets, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); g.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c)
		}
	}()
	return g
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	if g.shut.Load() {
		return
	}
	all := slices.Clone(g.targets())
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var to net.Conn
	for _, address := range all {
		var err error
		if to, err = net.DialTimeout("tcp", address, time.Second); err == nil {
			break
		}
	}
	if to == nil {
		return
	}
	defer to.Close()
	g.mu.Lock()
	g.conns[c] = true
	g.mu.Unlock()
	go func() { io.Copy(to, c); to.Close(); c.Close() }()
	io.Copy(c, to)
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
}

// cut breaks all connections.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Close()
	}
}

// partition shuts the gate, or opens it.
func (g *gate) partition(shut bool) {
	g.shut.Store(shut)
	if shut {
		g.cut()
	}
}

func (g *gate) address() string { return g.listener.Addr().String() }

// newNodes starts three servers and n nodes. gated nodes reach the servers through a gate of their
// own.
func newNodes(t *testing.T, n int, gated bool, task string) *nodes {
	t.Helper()
	c := &nodes{t: t, task: task, port: freePorts(t)}
	dir := t.TempDir()
	var wait sync.WaitGroup
	servers := make([]*cluster.Embedded, 3)
	for i := range servers {
		wait.Go(func() {
			var err error
			if servers[i], err = cluster.Embed(fmt.Sprintf("embed:%d/3@%d", i+1, c.port), "fedtab", filepath.Join(dir, fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	c.servers = servers
	t.Cleanup(func() {
		for _, s := range c.servers {
			if s != nil {
				s.Close()
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	var addresses []string
	for i := range servers {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", c.port+i))
	}
	for i := range n {
		p := &process{name: fmt.Sprint("n", i), address: freeAddress(t), dir: t.TempDir()}
		p.nats = "nats://" + strings.Join(addresses, ",nats://")
		if gated {
			p.toNATS = newGate(t, func() []string { return addresses })
			p.nats = "nats://" + p.toNATS.address()
		}
		c.all = append(c.all, p)
	}
	c.balance = newGate(t, func() (all []string) {
		for _, p := range c.all {
			if !p.asleep.Load() {
				all = append(all, p.address)
			}
		}
		return all
	})
	t.Cleanup(func() {
		for _, p := range c.all {
			if p.running {
				p.command.Process.Signal(syscall.SIGCONT)
				p.command.Process.Kill()
				p.command.Wait()
			}
		}
	})
	for _, p := range c.all {
		c.start(p)
	}
	for _, p := range c.all {
		c.await(p.name+" has a role", func() bool { r := p.role(); return r == owns || r == edges })
	}
	return c
}

// freePorts returns a port from which on nobody listens, for clients and routes of three servers.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		port, free := 20_000+rand.IntN(30_000), true
		for _, p := range []int{port, port + 1, port + 2, port + 2000, port + 2001, port + 2002} {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if free = free && err == nil; err == nil {
				l.Close()
			}
		}
		if free {
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

// start starts a node.
func (c *nodes) start(p *process) {
	c.t.Helper()
	p.command = coordinator(c.t, "serve", "--addr", p.address, "--admin-addr", "", "--data", p.dir, "--task", c.task,
		"--cluster", p.nats, "--cluster-node", p.name, "--cluster-unsafe")
	if err := p.command.Start(); err != nil {
		c.t.Fatal(err)
	}
	p.running = true
}

// kill kills a node.
func (c *nodes) kill(p *process) {
	p.command.Process.Kill()
	p.command.Wait()
	p.running = false
}

// await waits for a condition for three minutes: the machine may be busy.
func (c *nodes) await(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited three minutes until %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// role is what a node says that it is; empty if it says nothing.
func (p *process) role() string {
	client := http.Client{Timeout: 2 * time.Second}
	r, err := client.Get("http://" + p.address + "/readyz")
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	var v struct{ Roles map[string]string }
	json.NewDecoder(r.Body).Decode(&v)
	return v.Roles["small"]
}

// owner returns the node that says it drives the run, and is not one of the others.
func (c *nodes) owner(but ...*process) *process {
	for _, p := range c.all {
		if p.running && !slices.Contains(but, p) && p.role() == owns {
			return p
		}
	}
	return nil
}

// train has a swarm train until the returned function is called, which returns what the swarm ended
// with.
func (c *nodes) train(clients int) (*witness, func()) {
	w := newWitness(c.t)
	ctx, cancel := context.WithCancel(c.t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := swarm.Run(ctx, swarm.Options{URL: "ws://" + c.balance.address() + "/ws", Task: "small", Clients: clients, OnMessage: w.message})
		ended <- err
	}()
	return w, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Errorf("the swarm: %v", err)
		}
	})
}

// goesOn waits until a version is committed that none of the participants has seen, and returns how
// long that took.
func (c *nodes) goesOn(w *witness) time.Duration {
	c.t.Helper()
	from, start := w.version(), time.Now()
	c.await("another version is committed", func() bool { return w.version() > from })
	return time.Since(start)
}

// end stops the nodes, which write what they have, and compares the databases of all with what the
// participants know.
func (c *nodes) end(w *witness) (versions int) {
	c.t.Helper()
	c.stop(w)
	for _, p := range c.all {
		n, _ := w.check(p.dir, learn.MLP([]int{28, 28}, []int{32}, 10), 1)
		versions = max(versions, n)
	}
	return versions
}

// stop stops the nodes once all have followed.
func (c *nodes) stop(w *witness) {
	c.t.Helper()
	seen := w.version()
	for _, p := range c.all { // a node may show a version before its database has followed the log
		c.await(p.name+" has followed", func() bool { return durable(c.t, p.dir) >= seen })
	}
	for _, p := range c.all {
		p.command.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range c.all {
		if err := p.command.Wait(); err != nil {
			c.t.Errorf("node %s after SIGTERM: %v, want exit code 0", p.name, err)
		}
		p.running = false
	}
}

// endless is a task whose rounds take some 100 ms.
func endless(t *testing.T) string {
	return smallTask(t, "min_clients: 3", "min_clients: 6, deadline: 20s", "rounds: 3", "rounds: 1000000", "batch: 50", "batch: 500")
}

// TestClusterOwnerKilled kills the node that drives the run at random moments: no version that a
// participant has seen is lost or committed twice, each is its predecessor plus its recorded
// contributions, and the run goes on within seconds. 50 times, 2 in short form.
func TestClusterOwnerKilled(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 2
	}
	c := newNodes(t, 3, false, endless(t))
	w, stop := c.train(12)
	var took []time.Duration
	for range kills {
		c.goesOn(w)
		time.Sleep(time.Duration(rand.Float64() * float64(time.Second))) // the moment is what is tested
		var p *process
		c.await("a node drives the run", func() bool { p = c.owner(); return p != nil })
		c.kill(p)
		took = append(took, c.goesOn(w))
		c.start(p)
	}
	stop()
	versions := c.end(w)
	slices.Sort(took)
	t.Logf("%d kills, %d versions, %d returns; another version after %v (median), %v at most", kills, versions, w.back, took[len(took)/2].Round(10*time.Millisecond), took[len(took)-1].Round(10*time.Millisecond))
}

// TestClusterEdgeKilled kills a node that holds sockets, with contributions that it has added: the
// run goes on with the same round, and its participants come back at other nodes.
func TestClusterEdgeKilled(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 2
	}
	c := newNodes(t, 3, false, endless(t))
	w, stop := c.train(12)
	var most time.Duration
	for range kills {
		c.goesOn(w)
		time.Sleep(time.Duration(rand.Float64() * float64(time.Second)))
		var edge *process
		c.await("there is an edge", func() bool {
			for _, p := range c.all {
				if p.role() == edges {
					edge = p
				}
			}
			return edge != nil
		})
		c.kill(edge)
		most = max(most, c.goesOn(w))
		c.start(edge)
		c.await("it has a role again", func() bool { r := edge.role(); return r == owns || r == edges })
	}
	stop()
	versions := c.end(w)
	t.Logf("%d kills, %d versions, %d returns; another version after %v at most", kills, versions, w.back, most.Round(10*time.Millisecond))
}

// TestClusterStopped stops the node that drives the run, by SIGSTOP, for longer than its lease
// lasts: another goes on, and what wakes up changes nothing.
func TestClusterStopped(t *testing.T) {
	sleep := 60 * time.Second
	if testing.Short() {
		sleep = 9 * time.Second
	}
	c := newNodes(t, 2, false, endless(t))
	w, stop := c.train(8)
	c.goesOn(w)
	p := c.owner()
	if p == nil {
		t.Fatal("no node drives the run")
	}
	p.command.Process.Signal(syscall.SIGSTOP)
	slept := time.Now()
	p.asleep.Store(true)
	c.balance.cut()
	took := c.goesOn(w)
	time.Sleep(sleep - time.Since(slept)) // how long it sleeps is what is tested
	p.command.Process.Signal(syscall.SIGCONT)
	p.asleep.Store(false)
	c.await("who has slept is an edge", func() bool { return p.role() == edges })
	c.goesOn(w)
	stop()
	t.Logf("%d versions; another after %v", c.end(w), took.Round(10*time.Millisecond))
}

// TestClusterPartition cuts the node that drives the run off from the servers, and then an edge: the
// run goes on without it, and with it once it is back.
func TestClusterPartition(t *testing.T) {
	c := newNodes(t, 3, true, endless(t))
	w, stop := c.train(12)
	for _, role := range []string{owns, edges} {
		c.goesOn(w)
		var p *process
		c.await("a node is "+role, func() bool {
			for _, q := range c.all {
				if q.role() == role {
					p = q
				}
			}
			return p != nil
		})
		p.toNATS.partition(true)
		// Participants of a node that has no role reconnect, until they meet another.
		c.await("it knows that it is cut off", func() bool { return p.role() == vacant })
		took := c.goesOn(w)
		p.toNATS.partition(false)
		c.await("it is back", func() bool { r := p.role(); return r == owns || r == edges })
		t.Logf("%s cut off: another version %v after it knew", role, took.Round(10*time.Millisecond))
	}
	stop()
	t.Logf("%d versions", c.end(w))
}

// TestClusterServerLost stops one NATS server of three after the other, and starts it again: the run
// goes on.
func TestClusterServerLost(t *testing.T) {
	c := newNodes(t, 2, false, endless(t))
	w, stop := c.train(8)
	n := 3
	if testing.Short() {
		n = 1
	}
	for i := range n {
		c.goesOn(w)
		c.servers[i].Close()
		took := c.goesOn(w)
		took += c.goesOn(w)
		dir := c.servers[i].Dir()
		s, err := cluster.Embed(fmt.Sprintf("embed:%d/3@%d", i+1, c.port), "fedtab", dir)
		if err != nil {
			t.Fatal(err)
		}
		c.servers[i] = s
		t.Logf("two more versions %v after server %d was lost", took.Round(10*time.Millisecond), i+1)
	}
	stop()
	t.Logf("%d versions", c.end(w))
}

// TestClusterDrained ends the node that drives the run by SIGTERM: another takes over at once, and
// participants reconnect as the same ones.
func TestClusterDrained(t *testing.T) {
	c := newNodes(t, 2, false, endless(t))
	w, stop := c.train(8)
	c.goesOn(w)
	p := c.owner()
	if p == nil {
		t.Fatal("no node drives the run")
	}
	p.command.Process.Signal(syscall.SIGTERM)
	took := c.goesOn(w)
	if err := p.command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit code 0", err)
	}
	p.running = false
	if took > 10*time.Second {
		t.Errorf("another version %v after the owner was told to stop, want seconds", took)
	}
	c.start(p)
	c.await("it is back as an edge", func() bool { return p.role() == edges })
	stop()
	t.Logf("%d versions; another after %v", c.end(w), took.Round(10*time.Millisecond))
}

// TestClusterSecure: participants of several nodes are in one secure sum, of which each node has the
// versions.
func TestClusterSecure(t *testing.T) {
	task := smallTask(t, "min_clients: 3, clip: none, max_weight: .inf}", "min_clients: 6}\nprivacy: {aggregation: secure, min: 4, max: 12}",
		"compress: {up: {codec: float32}, down: {codec: float32}} # raw and unclipped, so that tests can see what is in versions\n", "", "rounds: 3", "rounds: 1000000")
	c := newNodes(t, 3, false, task)
	w, stop := c.train(9)
	c.await("three versions are committed", func() bool { return w.version() >= 3 })
	stop()
	c.stop(w)
	var want []run.RoundRecord
	for _, p := range c.all {
		_, saved := loaded(t, p.dir)
		if len(saved.Rounds) < 3 {
			t.Fatalf("node %s has %d versions", p.name, len(saved.Rounds))
		}
		if want == nil {
			want = saved.Rounds
		}
		for i := range min(len(want), len(saved.Rounds)) {
			if saved.Rounds[i].Hash != want[i].Hash || saved.Rounds[i].Participants < 4 {
				t.Errorf("node %s: version %d of %d participants is %x, want %x as at %s", p.name, i+1, saved.Rounds[i].Participants, saved.Rounds[i].Hash[:4], want[i].Hash[:4], c.all[0].name)
			}
		}
	}
}

// TestClusterSettings: a node whose task has other settings than the run in the log does not start,
// whether another node is there or not: who has the lease must not decide what is trained.
func TestClusterSettings(t *testing.T) {
	c := newNodes(t, 2, false, endless(t))
	for range 2 {
		other := coordinator(t, "serve", "--addr", freeAddress(t), "--admin-addr", "", "--data", t.TempDir(), "--task", c.task, "--set", "strategy.lr=0.2",
			"--cluster", c.all[0].nats, "--cluster-node", "other", "--cluster-unsafe")
		var said strings.Builder
		other.Stdout, other.Stderr = nil, &said
		if err := other.Run(); err == nil || !strings.Contains(said.String(), "other settings than run small-") || !strings.Contains(said.String(), "strategy.lr is 0.2, was 0.1") {
			t.Errorf("it ends with %v and says: %s", err, said.String())
		}
		for _, p := range c.all {
			if p.running {
				c.kill(p)
			}
		}
	}
}
