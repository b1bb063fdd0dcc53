package hub

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
	"fedtab/protocol/invite"
	"fedtab/run"
	"fedtab/strategy"
)

// uses counts uses in memory; every error is err if set.
type uses struct {
	mu   sync.Mutex
	used map[invite.ID]uint32
	err  error
}

func (u *uses) UseInvite(i invite.Invite, _ time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.err
	}
	if u.used[i.ID] >= i.Uses {
		return fmt.Errorf("invite %s: %w", i.ID, invite.ErrUsedUp)
	}
	u.used[i.ID]++
	return nil
}

func (u *uses) ReturnInvite(id invite.ID) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.used[id]--
	return u.err
}

func (u *uses) InviteUsed(id invite.ID) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.used[id] > 0, nil
}

// invited is a fixture whose task is joined by invite.
func invited(t *testing.T, edit func(*run.Config, *strategy.Config, *Limits)) (*fixture, *uses) {
	f := newFixture(t, edit)
	u := &uses{used: map[invite.ID]uint32{}}
	f.room.Invites = &Invites{Key: invite.Key(f.room.Tokens().Secret), Uses: u}
	return f, u
}

func (f *fixture) invite(edit func(*invite.Invite)) string {
	i := invite.Invite{ID: invite.ID{1}, Task: "small", Uses: 2, Expires: time.Now().Add(time.Hour)}
	if edit != nil {
		edit(&i)
	}
	return invite.Sign(f.room.Invites.Key, i)
}

// helloWith returns the hello of a new participant with an invite.
func helloWith(code string) *protocol.Hello {
	h := hubtest.Hello("small")
	h.Invite = code
	return h
}

func TestInvites(t *testing.T) {
	for _, test := range []struct {
		name string
		code func(f *fixture) string
		err  error // of the count
		want protocol.CloseCode
		why  string
	}{
		{"missing", func(*fixture) string { return "" }, nil, protocol.CloseInvite, "this task needs an invite"},
		{"no code", func(*fixture) string { return "please" }, nil, protocol.CloseInvite, "the invite is not valid"},
		{"forged", func(f *fixture) string {
			f.room.Invites.Key = invite.Key([]byte("another"))
			defer func() { f.room.Invites.Key = invite.Key(f.room.Tokens().Secret) }()
			return f.invite(nil)
		}, nil, protocol.CloseInvite, "the invite is not valid"},
		{"expired", func(f *fixture) string {
			return f.invite(func(i *invite.Invite) { i.Expires = time.Now() })
		}, nil, protocol.CloseInvite, "the invite has expired"},
		{"of another task", func(f *fixture) string {
			return f.invite(func(i *invite.Invite) { i.Task = "large" })
		}, nil, protocol.CloseInvite, "the invite is for another task, large"},
		{"used up", func(f *fixture) string {
			code := f.invite(nil)
			for range 2 {
				f.connect(f.t).Join(helloWith(code))
			}
			return code
		}, nil, protocol.CloseInvite, "the invite is used up"},
		{"not countable", func(f *fixture) string { return f.invite(nil) }, errors.New("full"),
			protocol.CloseOverloaded, "the use of the invite cannot be counted now: try again later"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, u := invited(t, nil)
				code := test.code(f)
				u.mu.Lock()
				u.err = test.err
				u.mu.Unlock()
				p := f.connect(t)
				p.Send(helloWith(code))
				if code, why := p.Closed(); code != test.want || why != test.why {
					t.Errorf("closed with %v (%s), want %v (%s)", code, why, test.want, test.why)
				}
			})
		})
	}
}

// Only a new participant takes a use: not one that comes back, nor one that is refused.
func TestInviteUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, u := invited(t, nil)
		code := f.invite(nil)
		p := f.connect(t).Join(helloWith(code))
		p.Send(&protocol.Tab{State: protocol.TabHidden})
		p.Conn.Close()
		back := helloWith(code)
		back.ResumeToken = p.Welcome.ResumeToken
		if w := f.connect(t).Join(back).Welcome; w.Participant != p.Welcome.Participant {
			t.Errorf("it comes back as %d, want %d", w.Participant, p.Welcome.Participant)
		}
		incapable := helloWith(code)
		incapable.Codecs = []protocol.Codec{77}
		refused := f.connect(t)
		refused.Send(incapable)
		if code, _ := refused.Closed(); code != protocol.CloseCapability {
			t.Errorf("closed with %v, want %v", code, protocol.CloseCapability)
		}
		synctest.Wait()
		if n := u.used[invite.ID{1}]; n != 1 {
			t.Errorf("%d uses, want 1", n)
		}
	})
}

// A socket that is lost before the client is known to have its welcome gives the use
// back, and its token ends: the client can join with the same invite.
func TestInviteOfLostSocket(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(p *hubtest.Peer)
		used uint32
		want protocol.CloseCode // of one that comes back with the token
	}{
		{"at once", func(p *hubtest.Peer) { p.Conn.Close() }, 0, protocol.CloseBadToken},
		{"after a message", func(p *hubtest.Peer) {
			p.Send(&protocol.Tab{State: protocol.TabHidden})
			synctest.Wait() // it has been read
			p.Conn.Close()
		}, 1, 0},
		{"after a pong", func(p *hubtest.Peer) {
			for p.Conn.SetReadDeadline(time.Now().Add(protocol.PingInterval + time.Second)); ; {
				if _, _, err := p.Conn.ReadMessage(); err != nil {
					break // it has answered a ping by then
				}
			}
			p.Conn.Close()
		}, 1, 0},
		{"with a bye", func(p *hubtest.Peer) {
			p.Send(&protocol.Bye{Code: protocol.CloseNormal})
			p.Closed()
		}, 1, protocol.CloseBadToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, u := invited(t, nil)
				p := f.connect(t).Join(helloWith(f.invite(nil)))
				test.end(p)
				time.Sleep(time.Second)
				u.mu.Lock()
				if n := u.used[invite.ID{1}]; n != test.used {
					t.Errorf("%d uses, want %d", n, test.used)
				}
				u.mu.Unlock()
				h := hubtest.Hello("small")
				h.ResumeToken = p.Welcome.ResumeToken
				again := f.connect(t)
				again.Send(h)
				var got protocol.CloseCode
				switch m, err := again.Read(); m := m.(type) {
				case *protocol.Welcome:
				case *protocol.Bye:
					got = m.Code
				default:
					t.Fatalf("%T (%v), want a welcome or a bye", m, err)
				}
				if got != test.want {
					t.Errorf("it comes back with its token: closed with %v, want %v", got, test.want)
				}
			})
		})
	}
}

// Where persons are limited, an invite is one: it has one use, and admits that person again,
// as the participant that it is, or as a new one once that has left. A token must name it.
func TestInvitedPersons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, u := invited(t, nil)
		f.room.Invites.Persons = true
		refused := func(what string, h *protocol.Hello, want protocol.CloseCode, why string) {
			t.Helper()
			p := f.connect(t)
			p.Send(h)
			if code, text := p.Closed(); code != want || text != why {
				t.Errorf("%s: closed with %v (%s), want %v (%s)", what, code, text, want, why)
			}
		}
		once := func(i *invite.Invite) { i.Uses = 1 }
		refused("an invite with two uses", helloWith(f.invite(nil)), protocol.CloseInvite,
			"the invite is for several participants, and this task limits what each person takes part in: ask for an invite of your own")
		code := f.invite(once)
		first := f.connect(t).Join(helloWith(code))
		first.Send(&protocol.Tab{State: protocol.TabHidden})
		synctest.Wait()
		again := f.connect(t).Join(helloWith(code))
		if again.Welcome.Participant != first.Welcome.Participant {
			t.Errorf("a cleared browser joins as %d, want %d", again.Welcome.Participant, first.Welcome.Participant)
		}
		if got, _ := first.Closed(); got != protocol.CloseSuperseded {
			t.Errorf("the first is closed with %v, want %v", got, protocol.CloseSuperseded)
		}
		again.Send(&protocol.Bye{Code: protocol.CloseNormal})
		again.Closed()
		later := f.connect(t).Join(helloWith(code))
		if later.Welcome.Participant == first.Welcome.Participant {
			t.Error("a participant that has left for good is there again")
		}
		_, one, err := f.room.Tokens().Check(first.Welcome.ResumeToken, time.Now())
		_, other, err2 := f.room.Tokens().Check(later.Welcome.ResumeToken, time.Now())
		if err != nil || err2 != nil || one == 0 || one != other {
			t.Errorf("the tokens name the persons %d and %d (%v, %v), want the same", one, other, err, err2)
		}
		if n := u.used[invite.ID{1}]; n != 1 {
			t.Errorf("%d uses, want 1", n)
		}
		h := hubtest.Hello("small")
		h.ResumeToken = f.room.Tokens().Make(later.Welcome.Participant, 0, time.Now())
		refused("a token without a person", h, protocol.CloseBadToken, "the resume token names no person, and this task limits what each person takes part in: join anew")
		u.used[invite.ID{1}] = 0 // as if it were revoked
		u.err = fmt.Errorf("invite: %w", invite.ErrUsedUp)
		refused("an invite that was revoked", helloWith(code), protocol.CloseInvite, "the invite is used up")
	})
}

// A task that is open takes a hello with an invite of any kind.
func TestInviteToOpenTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		newFixture(t, nil).connect(t).Join(helloWith("please"))
	})
}

// A session gets a newer token while it lasts, and comes back with it after the first
// has expired.
func TestTokenRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		p := f.join(t)
		newer := make(chan []byte, 10)
		go func() {
			p.Conn.SetReadDeadline(time.Time{})
			for {
				_, frame, err := p.Conn.ReadMessage()
				if err != nil {
					close(newer)
					return
				}
				if m, _ := protocol.Decode(frame); m != nil {
					if s, ok := m.(*protocol.Status); ok && s.ResumeToken != nil {
						newer <- s.ResumeToken
					}
				}
			}
		}()
		time.Sleep(protocol.TokenLife + time.Hour)
		p.Conn.Close()
		first, latest := p.Welcome.ResumeToken, <-newer
		for token := range newer {
			latest = token
		}
		old := f.connect(t)
		h := hubtest.Hello("small")
		h.ResumeToken = first
		old.Send(h)
		if code, why := old.Closed(); code != protocol.CloseBadToken || why != errTokenExpired.Error() {
			t.Errorf("the first token: closed with %v (%s), want %v (%v)", code, why, protocol.CloseBadToken, errTokenExpired)
		}
		h.ResumeToken = latest
		if w := f.connect(t).Join(h).Welcome; w.Participant != p.Welcome.Participant {
			t.Errorf("it comes back as %d, want %d", w.Participant, p.Welcome.Participant)
		}
	})
}
