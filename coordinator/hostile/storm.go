package hostile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// A storm of joins: a lecture hall, a link in the news. Every participant is honest and
// within the budgets of its address, so none may be refused.
const (
	stormRate    = 10_000. / 12 // joins per second
	perHousehold = 50           // participants of an address, below its budgets
	stormBound   = 10.          // seconds from a hello to its welcome
)

// stormy is a world in which no round opens before all of the storm are there.
func stormy(joins int) *Setting {
	return &Setting{Name: "storm", Slots: slots, Task: fmt.Sprintf(`
model: {kind: softmax}
data: {source: anes96, holdout: 0.2, partition: {kind: iid, clients: 20}}
strategy: {kind: fedavg, epochs: 1, batch: 10, lr: 0.01, min_clients: %d, fraction: 0.01}
stop: {rounds: 100000}
seed: 1
`, joins)}
}

func storm(joins int, long bool) Case {
	return Case{
		Name:  name("honest", fmt.Sprintf("storm of %d joins", joins)),
		About: fmt.Sprintf("%d participants join at %.0f a second, %d from an address: all are welcomed", joins, stormRate, perHousehold),
		Needs: "a run of its own", Long: long, World: stormy(joins),
		Attack: func(t *T) { t.storm(joins) },
	}
}

func (t *T) storm(joins int) {
	var mu sync.Mutex
	welcomed, refused := 0, map[string]int{}
	var longest time.Duration
	var wait sync.WaitGroup
	began := time.Now()
	var from net.IP
	for i := range joins {
		if i%perHousehold == 0 {
			from = t.World.Address()
		}
		t.Pause(time.Until(began.Add(time.Duration(float64(i) / stormRate * float64(time.Second)))))
		dialer := dialerFrom(from)
		wait.Go(func() {
			took, err := t.welcome(dialer)
			mu.Lock()
			defer mu.Unlock()
			if longest = max(longest, took); err == nil {
				welcomed++
			} else {
				refused[err.Error()]++
			}
		})
	}
	wait.Wait()
	t.AtLeast("welcomed", float64(welcomed), float64(joins), "")
	t.AtMost("longest wait", longest.Seconds(), stormBound, " s")
	t.cost(true, fmt.Sprintf("%.3g joins/s", float64(joins)/time.Since(began).Seconds()))
	for why, n := range refused {
		t.Errorf("%d refused: %s", n, why)
	}
}

// welcome joins and stays until the case ends. It returns how long the welcome took
// from the hello, or why there was none.
func (t *T) welcome(dialer *websocket.Dialer) (time.Duration, error) {
	conn, err := swarm.Dial(t.Context(), dialer, t.World.URL)
	if err != nil {
		var r *swarm.Refusal
		if errors.As(err, &r) {
			return 0, errors.New(r.Text) // the same for all
		}
		return 0, err
	}
	stop := context.AfterFunc(t.Context(), func() { conn.Close() })
	t.Cleanup(func() { stop(); conn.Close() })
	p := &hubtest.Peer{T: t, Conn: conn}
	began := time.Now()
	if err := conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, hubtest.Hello(t.World.Task))); err != nil {
		return 0, errors.New("the hello cannot be sent")
	}
	for {
		m, err := p.Read()
		switch m := m.(type) {
		case *protocol.Welcome:
			go ends(p)
			return time.Since(began), nil
		case *protocol.Bye:
			return time.Since(began), fmt.Errorf("%v: %s", m.Code, m.Detail)
		}
		if err != nil {
			return time.Since(began), err
		}
	}
}
