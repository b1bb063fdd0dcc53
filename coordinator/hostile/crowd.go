package hostile

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"fedtab/coordinator/hub/hubtest"
)

// attacker is one of many that act the same again and again. It is the hubtest.T of
// its peers: what ends one ends only what it is doing.
type attacker struct {
	t    *T
	from net.IP
	ctx  context.Context

	mu    sync.Mutex
	ended bool
	held  []io.Closer // its sockets
}

func (a *attacker) Helper()                  {}
func (a *attacker) Context() context.Context { return a.ctx }
func (a *attacker) Cleanup(func())           {} // its sockets are closed when it ends
func (a *attacker) Errorf(string, ...any)    {}
func (a *attacker) Fatal(...any)             { runtime.Goexit() }
func (a *attacker) Fatalf(string, ...any)    { runtime.Goexit() }

// Connect opens a socket and sends nothing.
func (a *attacker) Connect() *hubtest.Peer {
	p := hubtest.Connect(a, dialerFrom(a.from), a.t.World.URL)
	a.hold(p.Conn)
	return p
}

// hold has a socket closed when the attacker ends.
func (a *attacker) hold(conn io.Closer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = append(a.held, conn)
	if a.ended {
		conn.Close()
	}
}

// Join joins the run.
func (a *attacker) Join() *hubtest.Peer { return a.Connect().Join(hubtest.Hello(a.t.World.Task)) }

// close closes all sockets.
func (a *attacker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for _, conn := range a.held {
		conn.Close()
	}
}

// Pause waits until the next thing to do.
func (a *attacker) Pause(d time.Duration) {
	pause(a.ctx, d)
	if a.ctx.Err() != nil {
		runtime.Goexit()
	}
}

// again is the shortest time between two attempts of an attacker that was refused or
// cut off.
const again = 100 * time.Millisecond

// Crowd has n attackers of one address act until the case ends, each from the start
// when it is through or has been cut off.
func (t *T) Crowd(n int, from net.IP, act func(a *attacker)) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			for ctx.Err() == nil {
				a := &attacker{t: t, from: from, ctx: ctx}
				stop := context.AfterFunc(ctx, a.close)
				through := false
				done := make(chan struct{})
				go func() {
					defer close(done)
					act(a)
					through = true
				}()
				<-done
				stop()
				a.close()
				if !through {
					pause(ctx, again)
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); wait.Wait() })
}
