package hostile

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
	"fedtab/protocol/invite"
)

// byInvite is a world whose task is joined by invite. Its crew has one.
var byInvite = &Setting{
	Name: "by-invite", Shared: true, Share: 20, Honest: 4, Pace: 200 * time.Millisecond, Slots: 2, Invited: true,
	Task: `
join: invited
model: {kind: mlp, hidden: [8]}
data: {source: mnist, partition: {kind: iid, clients: 100}}
strategy: {kind: fedavg, fraction: 1, batches: 1, batch: 10, lr: 0.01, min_clients: 4, min_reports: 3, deadline: 1s}
stop: {rounds: 100000}
seed: 1
`,
}

// invite makes an invite to the world's task, as its organiser does, and returns its
// code.
func (w *World) invite(ctx context.Context, command []string, uses int) (string, error) {
	args := append(command[1:len(command):len(command)], "invite", "--data", w.dir, "--task", w.Task, "--uses", strconv.Itoa(uses))
	out, err := exec.CommandContext(ctx, command[0], args...).Output()
	if err != nil {
		return "", fmt.Errorf("coordinator invite: %w", err)
	}
	link, _, _ := strings.Cut(string(out), "\n")
	return invite.Code(link), nil
}

// Invite makes an invite to the world's task.
func (t *T) Invite(uses int) string {
	code, err := t.World.invite(t.ctx, t.suite.Command, uses)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// knock joins with an invite, and returns the code with which the socket was closed; 0
// if the peer has joined.
func knock(p *hubtest.Peer, task, code string) protocol.CloseCode {
	h := hubtest.Hello(task)
	h.Invite = code
	p.Send(h)
	for {
		switch m, err := p.Read(); m := m.(type) {
		case *protocol.Welcome:
			p.Welcome = m
			return 0
		case *protocol.Bye:
			return m.Code
		default:
			p.T.Fatalf("%T (%v), want a welcome or a bye", m, err)
		}
	}
}

// forged are codes that nobody has signed.
func forged(genuine string) (codes []string) {
	i, _ := invite.Read(genuine)
	i.Uses = invite.MaxUses
	key := make([]byte, 32) // of a database without a secret
	codes = append(codes, "", "please", genuine[:len(genuine)-4], genuine+"AAAA", invite.Sign(key, i), invite.Sign(invite.Key(key), i))
	for at := range genuine {
		other := byte('A')
		if genuine[at] == other {
			other = 'B'
		}
		codes = append(codes, genuine[:at]+string(other)+genuine[at+1:])
	}
	return codes
}

// How many may join with an invite, and how many try.
const (
	inviteUses  = 5
	inviteTries = 40
)

// invites are attacks on a task that is joined by invite.
func invites() (cases []Case) {
	add := func(words, about string, attack func(t *T)) {
		cases = append(cases, Case{Name: name("invite", words), About: about, Needs: "a task that is joined by invite", World: byInvite, Attack: attack})
	}
	add("none and forged", "no invite, other keys, and one with each of its characters changed: closed with "+protocol.CloseInvite.Number(), func(t *T) {
		codes := forged(t.Invite(1))
		joined := 0
		for _, code := range codes {
			if got := knock(t.Peers().Connect(), t.World.Task, code); got != protocol.CloseInvite {
				joined++
			}
		}
		t.AtMost(fmt.Sprintf("of %d not refused", len(codes)), float64(joined), 0, "")
	})
	// tries has many sockets use an invite at once.
	tries := func(t *T, use func(p *hubtest.Peer)) {
		peers := t.Peers()
		var wait sync.WaitGroup
		for range inviteTries {
			p := peers.Connect()
			wait.Go(func() { use(p) })
		}
		wait.Wait()
	}
	add("used by more than may", fmt.Sprintf("%d sockets at once with an invite for %d", inviteTries, inviteUses), func(t *T) {
		code := t.Invite(inviteUses)
		var joined, refused atomic.Int64
		tries(t, func(p *hubtest.Peer) {
			switch knock(p, t.World.Task, code) {
			case 0:
				joined.Add(1)
			case protocol.CloseInvite:
				refused.Add(1)
			}
		})
		t.AtMost("joined", float64(joined.Load()), inviteUses, "")
		t.AtLeast("joined", float64(joined.Load()), inviteUses, "")
		t.AtLeast("refused", float64(refused.Load()), inviteTries-inviteUses, "")
	})
	add("used by sockets that vanish", fmt.Sprintf("%d sockets that vanish after their hello, with an invite for %d: as many join after them, and no more", inviteTries, inviteUses), func(t *T) {
		code := t.Invite(inviteUses)
		h := hubtest.Hello(t.World.Task)
		h.Invite = code
		tries(t, func(p *hubtest.Peer) {
			p.Send(h)
			p.Conn.NetConn().Close() // without reading the welcome
		})
		for joined := 0; joined < inviteUses; {
			p := t.Peers().Connect()
			if knock(p, t.World.Task, code) == 0 {
				joined++
				p.Send(&protocol.Bye{Code: protocol.CloseNormal})
			} else {
				t.Pause(100 * time.Millisecond) // the uses of those that have vanished come back
			}
		}
		t.Is("one more closed", knock(t.Peers().Connect(), t.World.Task, code), protocol.CloseInvite)
	})
	return cases
}
