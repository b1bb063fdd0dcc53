package run

import (
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// A person who joins anew takes the place of the participant that it is; once that has left it is
// another participant, and its tokens name the same person.
func TestJoinAs(t *testing.T) {
	named := map[uint32]strategy.Person{}
	f := newFixture(t, func(c *Config, _ *strategy.Config) {
		c.Token = func(p uint32, person strategy.Person, _ time.Time) []byte {
			named[p] = person
			return []byte{byte(p)}
		}
	})
	const person = 1 << 40
	join := func(who strategy.Person, resumed uint32) (uint32, *fakePeer) {
		p := &fakePeer{}
		n, ok := f.JoinAs(who, &hello, resumed, p)
		if !ok {
			t.Fatalf("cannot join: %v", p.closed)
		}
		return n, p
	}
	first, peer := join(person, 0)
	other, _ := join(person+1, 0)
	again, newer := join(person, 0)
	if again != first || other == first || peer.closed != protocol.CloseSuperseded {
		t.Fatalf("participants %d, %d of another, %d; the first is closed with %v: want one person to be one participant at a time", first, other, again, peer.closed)
	}
	f.Leave(first, newer, Done)
	later, latest := join(person, 0)
	if later == first || named[later] != person {
		t.Errorf("after it has left: participant %d of person %d, want another one of the same person", later, named[later])
	}
	f.Leave(later, latest, Lost)
	if back, _ := join(person, later); back != later || named[back] != person {
		t.Errorf("with its token it comes back as %d of person %d", back, named[back])
	}
}
