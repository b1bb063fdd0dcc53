package store

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/protocol/invite"
	"fedtab/run"
)

// A use is counted once, and stays counted: over a restart, and if the power is cut.
func TestInvites(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	two := invite.Invite{ID: invite.ID{1}, Task: "digits", Uses: 2, Expires: start.Add(time.Hour)}
	must(t, s.AddInvite(two, start))
	if err := s.AddInvite(two, start); err == nil {
		t.Error("an invite is recorded twice")
	}
	must(t, s.UseInvite(two, start))
	cut := open(t, snapshotDir(t, dir))
	must(t, cut.UseInvite(two, start))
	if err := cut.UseInvite(two, start); !errors.Is(err, invite.ErrUsedUp) || err.Error() != "invite 0100000000000000: the invite is used up" {
		t.Errorf("a third use after the power was cut: %v, want %v", err, invite.ErrUsedUp)
	}
	must(t, cut.Close())
	must(t, s.Close())

	s = open(t, dir)
	must(t, s.UseInvite(two, start))
	if err := s.UseInvite(two, start); !errors.Is(err, invite.ErrUsedUp) {
		t.Errorf("a third use after a restart: %v, want %v", err, invite.ErrUsedUp)
	}
	must(t, s.ReturnInvite(two.ID))
	must(t, s.UseInvite(two, start))
	all, err := s.Invites()
	must(t, err)
	if want := []Invite{{Invite: two, Used: 2, Created: start}}; !slices.EqualFunc(all, want, func(a, b Invite) bool {
		return a.ID == b.ID && a.Task == b.Task && a.Uses == b.Uses && a.Used == b.Used && a.Expires.Equal(b.Expires) && a.Created.Equal(b.Created)
	}) {
		t.Errorf("Invites = %+v, want %+v", all, want)
	}

	// Of a database that was restored from before it was made.
	one := invite.Invite{ID: invite.ID{2}, Task: "digits", Uses: 1, Expires: start.Add(time.Hour)}
	must(t, s.UseInvite(one, start))
	if err := s.UseInvite(one, start); !errors.Is(err, invite.ErrUsedUp) {
		t.Errorf("a second use of an invite that was not recorded: %v, want %v", err, invite.ErrUsedUp)
	}

	many := invite.Invite{ID: invite.ID{3}, Task: "digits", Uses: 5, Expires: start.Add(time.Hour)}
	must(t, s.AddInvite(many, start))
	must(t, s.UseInvite(many, start))
	must(t, s.RevokeInvite(many.ID))
	if err := s.UseInvite(many, start); !errors.Is(err, invite.ErrUsedUp) {
		t.Errorf("a use of an invite that was revoked: %v, want %v", err, invite.ErrUsedUp)
	}
	for name, err := range map[string]error{"revoke": s.RevokeInvite(invite.ID{9}), "return": s.ReturnInvite(invite.ID{9})} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of no invite: %v, want %v", name, err, ErrNotFound)
		}
	}
}

func TestInviteUsedAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	i := invite.Invite{ID: invite.ID{1}, Task: "digits", Uses: 7, Expires: start.Add(time.Hour)}
	must(t, s.AddInvite(i, start))
	var used atomic.Int32
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if s.UseInvite(i, start) == nil {
				used.Add(1)
			}
		})
	}
	wait.Wait()
	if n := used.Load(); n != 7 {
		t.Errorf("%d uses, want 7", n)
	}
}

// Who has left stays so over a restart, until resume tokens have expired.
func TestDepartures(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.CreateRun(testRun("r", "digits")))
	must(t, s.CreateRun(testRun("other", "digits")))
	now := time.Now()
	must(t, s.Depart("r", []uint32{7, 3}, now))
	must(t, s.Depart("r", []uint32{7, 8}, now))
	must(t, s.Depart("r", []uint32{1}, now.Add(-protocol.TokenLife-time.Hour)))
	if err := s.Depart("nonsense", []uint32{1}, now); !errors.Is(err, run.ErrPermanent) {
		t.Errorf("departures of a run that is gone: %v, want %v", err, run.ErrPermanent)
	}
	must(t, s.Close())
	s = open(t, dir)
	saved, err := s.Load("r")
	must(t, err)
	if want := []uint32{3, 7, 8}; !slices.Equal(saved.Departed, want) {
		t.Errorf("departed %v, want %v", saved.Departed, want)
	}
	if saved, err = s.Load("other"); err != nil || saved.Departed != nil {
		t.Errorf("departed of another run %v, %v", saved.Departed, err)
	}
}

func BenchmarkUseInvite(b *testing.B) {
	s := open(b, b.TempDir())
	i := invite.Invite{ID: invite.ID{1}, Task: "digits", Uses: invite.MaxUses, Expires: start.Add(time.Hour)}
	for b.Loop() {
		must(b, s.UseInvite(i, start))
	}
}
