package hub

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
)

// The participants of a room that is closed, or whose task has another one, are told; new
// ones find what is there.
func TestRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		p := f.join(t)
		next := &Room{Task: "small", Owner: f.room.Owner, Checker: f.room.Checker, MaxBody: f.room.MaxBody}
		next.Issue(*f.room.Tokens())
		f.hub.Open(next)
		if code, why := p.Closed(); code != protocol.CloseFinished || !strings.Contains(why, "another run of the task has begun") {
			t.Errorf("closed with %v (%q), want %v", code, why, protocol.CloseFinished)
		}
		p = f.join(t)
		f.hub.Close(f.room, "of no room that is open")
		synctest.Wait()
		if n := f.hub.Sessions(); n != 1 {
			t.Errorf("%d sessions once a room is closed that others have replaced, want 1", n)
		}
		f.hub.Close(next, "task small is served no longer")
		if code, why := p.Closed(); code != protocol.CloseFinished || why != "task small is served no longer" {
			t.Errorf("closed with %v (%q), want %v", code, why, protocol.CloseFinished)
		}
		late := f.connect(t)
		late.Send(hubtest.Hello("small"))
		if code, _ := late.Closed(); code != protocol.CloseUnknownTask {
			t.Errorf("a hello to no room is closed with %v, want %v", code, protocol.CloseUnknownTask)
		}
		f.hub.Open(next)
		f.join(t)
	})
}

// Rooms come and go while participants join.
func TestRoomsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		var wait sync.WaitGroup
		for i := range 4 {
			wait.Go(func() {
				for range 20 {
					r := &Room{Task: fmt.Sprint("task-", i), Owner: f.room.Owner, Checker: f.room.Checker, MaxBody: f.room.MaxBody}
					r.Issue(*f.room.Tokens())
					f.hub.Open(r)
					time.Sleep(time.Millisecond)
					f.hub.Close(r, "enough")
				}
			})
			wait.Go(func() {
				for range 5 {
					p := f.connect(t)
					p.Send(hubtest.Hello(fmt.Sprint("task-", i)))
					time.Sleep(time.Millisecond)
					f.hub.Counts()
				}
			})
		}
		wait.Wait()
		f.join(t)
	})
}

// A room whose run goes elsewhere sends its participants away so that they come back, and who comes
// meanwhile too; once another owner is there they go on as the same participants.
func TestVacate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		var owner Switch
		local := f.room.Owner
		f.room.Owner = &owner
		owner.Set(local)
		p := f.join(t)
		owner.Set(Vacant{})
		f.hub.Vacate(f.room, "moved")
		if code, text := p.Closed(); code != protocol.CloseShutdown || text != "moved" || !code.Reconnect() {
			t.Errorf("closed with %v: %s", code, text)
		}
		late := f.connect(t)
		late.Send(hubtest.Hello("small"))
		if code, text := late.Closed(); code != protocol.CloseShutdown || text != vacantText {
			t.Errorf("who comes meanwhile is closed with %v: %s", code, text)
		}
		owner.Set(local)
		h := hubtest.Hello("small")
		h.ResumeToken = p.Welcome.ResumeToken
		if back := f.connect(t).Join(h); back.Welcome.Participant != p.Welcome.Participant {
			t.Errorf("it comes back as participant %d, was %d", back.Welcome.Participant, p.Welcome.Participant)
		}
	})
}
