package swarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/client"
	"fedtab/coordinator/adversary"
	"fedtab/learn/rng"
	"fedtab/protocol"
)

// Options describe a swarm.
type Options struct {
	URL     string // of the page or the WebSocket, see SocketURL
	Task    string
	Clients int
	Drop    float64 // probability that a client loses its socket during an order
	Slow    float64 // probability that a client pauses before it works on an order
	Seed    uint64  // of the faults and of the choice of adversaries
	Log     *slog.Logger

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
}

// Run runs a swarm until its run is over or ctx ends. A client reconnects after a
// lost socket if the close code allows it. The error is that of the first client
// that may not reconnect, unless the run is over.
func Run(ctx context.Context, o Options) (Totals, error) {
	var err error
	if o.URL, err = SocketURL(o.URL); err != nil {
		return Totals{}, fmt.Errorf("swarm: %w", err)
	}
	var wait sync.WaitGroup
	var reconnects atomic.Int64
	clients := make([]*client.Client, o.Clients)
	errs := make([]error, o.Clients)
	group := adversary.NewGroup(o.Adversaries, o.Clients, o.Seed)
	for i := range clients {
		clients[i] = client.New(client.Config{Name: "fedtab-swarm", Task: o.Task})
		wait.Go(func() { errs[i] = o.run(ctx, i, clients[i], group.Member(i), &reconnects) })
	}
	wait.Wait()
	t := Totals{Reconnects: reconnects.Load()}
	for _, c := range clients {
		p := c.Progress()
		t.Accepted += int64(p.Accepted)
		t.Rejected += int64(p.Rejected)
	}
	for _, err := range errs {
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

func (o Options) run(ctx context.Context, i int, c *client.Client, member *adversary.Member, reconnects *atomic.Int64) error {
	faults := rng.Stream(o.Seed, "swarm", uint64(i))
	attempts := 0
	for {
		p := &Participant{URL: o.URL, Task: o.Task, Client: c, Member: member}
		socket, cancel := context.WithCancel(ctx)
		p.OnMessage = func(m protocol.Message, sent bool) {
			if o.OnMessage != nil {
				o.OnMessage(i, m, sent)
			}
			switch m.(type) {
			case *protocol.Welcome:
				attempts = 0
			case *protocol.Order:
				if faults.Float64() < o.Slow {
					pause(ctx, slowPause)
				}
				if faults.Float64() < o.Drop {
					cancel()
				}
			}
		}
		err := p.Run(socket)
		cancel()
		var ce *protocol.CloseError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &ce) && ce.Code == protocol.CloseFinished:
			return nil
		case errors.As(err, &ce) && ce.Code == protocol.CloseBadToken:
			c.Forget()
		case errors.As(err, &ce) && !ce.Code.Reconnect():
			return fmt.Errorf("swarm: client %d: %w", i, err)
		}
		if o.Log != nil {
			o.Log.Debug("coming back", "client", i, "attempt", attempts, "error", err)
		}
		pause(ctx, protocol.Backoff(attempts, rand.Float64()))
		attempts++
		reconnects.Add(1)
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
