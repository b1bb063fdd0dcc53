package hostile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
)

// plain is the world of cases that change nothing for others. A peer that stays
// silent costs a round its deadline; the crew takes a quarter of a second for one.
var plain = &Setting{
	Name: "plain", Shared: true, Share: 20, Honest: 4, Pace: 200 * time.Millisecond, Slots: 2,
	Task: `
model: {kind: mlp, hidden: [64]} # 50,890 parameters: a raw answer travels in four chunks
data: {source: mnist, partition: {kind: iid, clients: 100}}
strategy: {kind: fedavg, fraction: 1, batches: 1, batch: 10, lr: 0.01, min_clients: 4, min_reports: 3, deadline: 1s}
stop: {rounds: 100000}
seed: 1
`,
}

// name makes a case's name of words.
func name(category, words string) string {
	return category + "/" + strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(words)
}

// breaches are breaches of the protocol. The slow ones come first: they wait for
// deadlines while the others run.
func breaches() (cases []Case) {
	var quick []Case
	for _, b := range hubtest.Breaches() {
		c := Case{Name: name("breach", b.Name), About: "protocol: closed with " + b.Want.Number() + " " + b.Want.String(), World: plain, Attack: func(t *T) {
			code, why := b.Do(t.Peers()).Closed()
			t.Is("closed", code, b.Want)
			if why == "" {
				t.Errorf("no reason, want one")
			}
		}}
		switch b.Want {
		case protocol.CloseSlow, protocol.CloseNoHello, protocol.CloseNoPong:
			cases = append(cases, c)
		default:
			quick = append(quick, c)
		}
	}
	for _, raw := range []struct {
		name  string
		bytes []byte
	}{
		{"a frame without a mask", []byte{0x82, 0x04, 1, 2, 3, 4}},
		{"a reserved opcode", []byte{0x8f, 0x80, 0, 0, 0, 0}},
		{"a continuation of nothing", []byte{0x80, 0x80, 0, 0, 0, 0}},
		{"a frame compressed without consent", []byte{0xc2, 0x80, 0, 0, 0, 0}},
		{"a ping of 256 bytes", []byte{0x89, 0xfe, 1, 0, 0, 0, 0, 0}},
	} {
		quick = append(quick, Case{Name: name("breach", raw.name), About: "WebSocket: " + hex.EncodeToString(raw.bytes) + " ends the socket", World: plain, Attack: func(t *T) {
			p := t.Peers().Join()
			if err := p.Raw(raw.bytes); err != nil {
				t.Fatal(err)
			}
			ended(t, p)
		}})
	}
	return append(cases, append(quick,
		Case{Name: "breach/a-body-broken-off", About: "a socket that is lost in the middle of a body", World: plain, Attack: func(t *T) {
			peers := t.Peers()
			p, o := peers.Ordered()
			first, chunks := hubtest.Announcement(p, o)
			p.Frame(first)
			p.Frame(chunks[0])
			p.Conn.NetConn().Close() // without a close frame
			again := peers.Connect()
			h := hubtest.Hello(t.World.Task)
			h.ResumeToken = p.Welcome.ResumeToken
			again.Join(h).AcceptedSoon()
		}},
	)...)
}

// ended waits for the socket to end in any way.
func ended(t *T, p *hubtest.Peer) {
	for {
		if _, err := p.Read(); err != nil {
			var ne net.Error
			t.cost(!errors.As(err, &ne) || !ne.Timeout(), fmt.Sprintf("ended %v", err))
			return
		}
	}
}
