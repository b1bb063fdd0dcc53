package hub

import (
	"encoding/binary"
	"errors"
	"time"

	"fedtab/protocol"
	"fedtab/protocol/invite"
	"fedtab/strategy"
)

// Invites admits the new participants of a task that is joined by invite.
type Invites struct {
	Key  []byte // signs them
	Uses Uses

	// Persons says that what the run does is limited for each person: an invite is one, has one
	// use, and admits that person again.
	Persons bool
}

// Uses counts how often invites were used. coordinator/store implements it.
type Uses interface {
	// UseInvite counts a use, and returns when that is durable. The error wraps
	// invite.ErrUsedUp if none was left.
	UseInvite(i invite.Invite, now time.Time) error
	// ReturnInvite undoes UseInvite.
	ReturnInvite(id invite.ID) error
	// InviteUsed reports whether somebody has joined with an invite that was not revoked since.
	InviteUsed(id invite.ID) (bool, error)
}

// personOf is the person that an invite is: whoever has it counts as that one.
func personOf(id invite.ID) strategy.Person { return strategy.Person(binary.BigEndian.Uint64(id[:])) }

// admit takes a use of the invite of a new participant. The error is a CloseError. The
// use is to be given back if the participant cannot join, or if its socket is lost
// before it is known to have its welcome: then its token ends first. After a crash in
// between the use is lost, rather than given twice. A person who joins again takes no use, and
// giveBack is nil.
func (s *session) admit(room *Room, code string) (person strategy.Person, giveBack func(), err error) {
	if code == "" {
		return 0, nil, closeError(protocol.CloseInvite, "this task needs an invite")
	}
	now := time.Now()
	i, err := invite.Check(room.Invites.Key, code, now)
	if err != nil {
		return 0, nil, closeError(protocol.CloseInvite, "%v", err)
	}
	if i.Task != room.Task {
		return 0, nil, closeError(protocol.CloseInvite, "the invite is for another task, %s", i.Task)
	}
	if room.Invites.Persons {
		if person = personOf(i.ID); i.Uses != 1 || person == 0 {
			return 0, nil, closeError(protocol.CloseInvite, "the invite is for several participants, and this task limits what each person takes part in: ask for an invite of your own")
		}
	}
	err = room.Invites.Uses.UseInvite(i, now)
	if errors.Is(err, invite.ErrUsedUp) {
		again := false
		if room.Invites.Persons {
			again, err = room.Invites.Uses.InviteUsed(i.ID)
		}
		switch {
		case again:
			return person, nil, nil
		case err == nil || errors.Is(err, invite.ErrUsedUp):
			return 0, nil, closeError(protocol.CloseInvite, "%v", invite.ErrUsedUp)
		}
	}
	if err != nil {
		if s.hub.uncounted.Due() {
			s.hub.log.Error("cannot count the use of an invite", "invite", i.ID, "error", err)
		}
		return 0, nil, closeError(protocol.CloseOverloaded, "the use of the invite cannot be counted now: try again later")
	}
	return person, func() {
		if err := room.Invites.Uses.ReturnInvite(i.ID); err != nil {
			s.hub.log.Warn("cannot give the use of an invite back", "invite", i.ID, "error", err)
		}
	}, nil
}
