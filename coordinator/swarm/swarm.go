package swarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/client"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// Options describe a swarm.
type Options struct {
	URL     string // of the page or the WebSocket, see SocketURL
	Task    string
	Invite  string // code of an invite, for a task that is joined by invite
	Clients int
	Drop    float64      // probability that a client loses its socket during an order
	Slow    float64      // probability that a client pauses before it works on an order
	Seed    uint64       // of the faults and of the choice of adversaries
	Log     *slog.Logger // nil discards

	// Own is the own data of each client, for a task with own data; nil: the coordinator
	// hands the examples out.
	Own []*data.Own

	// Adversaries are among the clients. Those that collude know what the swarm's
	// honest clients have sent by the time they answer, and wait for none.
	Adversaries adversary.Config

	// OnMessage sees every complete message of every client, if set. Clients
	// call it from goroutines of their own.
	OnMessage func(client int, m protocol.Message, sent bool)
}

// Pause of a slow client.
const slowPause = 2 * time.Second

// Problems returns every invalid field of o.
func (o Options) Problems() []string {
	var ps []string
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			ps = append(ps, fmt.Sprintf(format, args...))
		}
	}
	_, err := SocketURL(o.URL)
	bad(err == nil, "--url: %v", err)
	bad(o.Clients >= 1 && o.Clients <= 10_000, "--clients: %d, want 1 to 10000", o.Clients)
	bad(o.Own == nil || len(o.Own) == o.Clients, "--from: data of %d clients, want %d", len(o.Own), o.Clients)
	bad(o.Own == nil || o.Adversaries.Kind != adversary.LabelFlip && o.Adversaries.Kind != adversary.Backdoor, "--adversaries: %s, want another kind beside --from: the examples stay as they are read", o.Adversaries.Kind)
	bad(o.Drop >= 0 && o.Drop < 1, "--drop: %g, want 0 <= drop < 1", o.Drop)
	bad(o.Slow >= 0 && o.Slow <= 1, "--slow: %g, want 0 <= slow <= 1", o.Slow)
	for _, p := range o.Adversaries.Problems() {
		flag := "--adversary-" + p.Field
		if p.Field == "kind" {
			flag = "--adversaries"
		}
		bad(false, "%s: %v, want %s", flag, p.Value, p.Want)
	}
	return ps
}

// Totals are the counters of a swarm.
type Totals struct {
	Accepted, Rejected, Reconnects int64

	Finished string // why the run is over; empty if it is not
}

// Run runs a swarm until its run is over or ctx ends. A client reconnects after a
// lost socket if the close code allows it, and the log says why. The error is that of
// the first client that may not reconnect, cannot get its data, or gives up: after
// firstAttempts if none has ever joined, and after lostLimit without a session of any.
func Run(ctx context.Context, o Options) (Totals, error) {
	var err error
	if o.URL, err = SocketURL(o.URL); err != nil {
		return Totals{}, fmt.Errorf("swarm: %w", err)
	}
	var wait sync.WaitGroup
	var reconnects atomic.Int64
	clients := make([]*client.Client, o.Clients)
	errs := make([]error, o.Clients)
	way := newLink(o.URL, o.Log)
	watched, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { way.watch(watched) })
	defer func() { stop(); watching.Wait() }()
	group := adversary.NewGroup(o.Adversaries, o.Clients, o.Seed)
	for i := range clients {
		member, secure := group.Member(i), Secure()
		if member.Lies() {
			secure.Masks = member.Masks
		}
		clients[i] = client.New(client.Config{Name: "fedtab-swarm", Task: o.Task, Invite: o.Invite, Secure: secure})
		if o.Own != nil {
			if err := clients[i].SetOwn(o.Own[i]); err != nil {
				return Totals{}, fmt.Errorf("swarm: client %d: %w", i, err)
			}
		}
		wait.Go(func() { errs[i] = o.run(ctx, i, clients[i], member, way, &reconnects) })
	}
	wait.Wait()
	t := Totals{Reconnects: reconnects.Load()}
	for _, c := range clients {
		p := c.Progress()
		t.Accepted += int64(p.Accepted)
		t.Rejected += int64(p.Rejected)
	}
	for _, err := range errs {
		var end over
		switch {
		case errors.As(err, &end):
			t.Finished = string(end)
		case err != nil:
			return t, err
		}
	}
	return t, nil
}

func (o Options) run(ctx context.Context, i int, c *client.Client, member *adversary.Member, way *link, reconnects *atomic.Int64) error {
	faults := rng.Stream(o.Seed, "swarm", uint64(i))
	s := &stay{
		url: o.URL, task: o.Task, client: c, member: member, way: way,
		reconnected: func() { reconnects.Add(1) },
		onMessage: func(m protocol.Message, sent bool) {
			if o.OnMessage != nil {
				o.OnMessage(i, m, sent)
			}
		},
		onOrder: func(lose func()) {
			if faults.Float64() < o.Slow {
				pause(ctx, slowPause)
			}
			if faults.Float64() < o.Drop {
				lose()
			}
		},
	}
	err := s.run(ctx)
	if _, ended := err.(over); err != nil && !ended {
		return fmt.Errorf("swarm: client %d: %w", i, err)
	}
	return err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
