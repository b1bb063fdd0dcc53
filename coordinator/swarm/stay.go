package swarm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"fedtab/client"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// stay is the time of a client in a run, over as many sockets as that takes.
type stay struct {
	url, task string
	client    *client.Client
	member    *adversary.Member // nil: no adversary, and none watches it
	way       *link
	leaves    bool   // the client says so when ctx ends, and does not just lose its socket
	only      string // the run to take part in, empty: whichever the task has

	onMessage   func(m protocol.Message, sent bool)
	onOrder     func(lose func()) // lose ends the socket; nil: nothing
	reconnected func()            // nil: nothing
}

// over is why a run is over, as the end of a stay.
type over string

func (o over) Error() string { return string(o) }

// errOtherRun ends a stay whose run has been replaced.
var errOtherRun = errors.New("the coordinator has begun another run of the task, which may want other data: start again to take part in it")

// run takes part until ctx ends, when it returns nil, or the run does, when it returns
// over. A client reconnects after a lost socket if the close code allows it, and the log
// says why.
func (s *stay) run(ctx context.Context) error {
	attempts := 0 // in a row without a session
	missing := 0  // sessions in a row in which data was refused
	for {
		p := &Participant{URL: s.url, Task: s.task, Client: s.client, Member: s.member, OnWait: s.way.waits, Leave: s.leaves}
		socket, lose := context.WithCancel(ctx)
		joined, lost, other := false, false, false
		p.OnMessage = func(m protocol.Message, sent bool) {
			s.onMessage(m, sent)
			s.way.saw(m, sent)
			switch m := m.(type) {
			case *protocol.Welcome:
				if other = s.only != "" && m.Run != s.only; other {
					lose()
					return
				}
				attempts, joined = 0, true
				s.way.join()
			case *protocol.Order:
				if s.onOrder != nil {
					s.onOrder(func() { lost = true; lose() })
				}
			}
		}
		err := p.Run(socket)
		lose()
		if joined {
			s.way.leave()
		}
		var refused *Refusal
		if joined && errors.As(err, &refused) {
			missing++
		} else {
			missing = 0
		}
		attempts = max(attempts+1, missing)
		var ce *protocol.CloseError
		switch {
		case ctx.Err() != nil:
			return nil
		case other:
			return errOtherRun
		case errors.As(err, &ce) && ce.Code == protocol.CloseFinished:
			return over(ce.Detail)
		case errors.As(err, &ce) && ce.Code == protocol.CloseBadToken:
			s.client.Forget()
		case errors.As(err, &ce) && !ce.Code.Reconnect(), errors.Is(err, client.ErrSecure):
			return err
		case missing >= dataAttempts && refused.Permanent():
			return fmt.Errorf("cannot get its data: %w", err)
		case !lost:
			if err := s.way.failed(err, joined, attempts); err != nil {
				return err
			}
		}
		pause(ctx, protocol.Backoff(attempts-1, rand.Float64()))
		if s.reconnected != nil {
			s.reconnected()
		}
	}
}
