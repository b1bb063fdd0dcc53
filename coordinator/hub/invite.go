package hub

import (
	"errors"
	"time"

	"fedtab/protocol"
	"fedtab/protocol/invite"
)

// Invites admits the new participants of a task that is joined by invite.
type Invites struct {
	Key  []byte // signs them
	Uses Uses
}

// Uses counts how often invites were used. coordinator/store implements it.
type Uses interface {
	// UseInvite counts a use, and returns when that is durable. The error wraps
	// invite.ErrUsedUp if none was left.
	UseInvite(i invite.Invite, now time.Time) error
	// ReturnInvite undoes UseInvite.
	ReturnInvite(id invite.ID) error
}

// admit takes a use of the invite of a new participant. The error is a CloseError. The
// use is to be given back if the participant cannot join, or if its socket is lost
// before it is known to have its welcome: then its token ends first. After a crash in
// between the use is lost, rather than given twice.
func (s *session) admit(room *Room, code string) (giveBack func(), err error) {
	if code == "" {
		return nil, closeError(protocol.CloseInvite, "this task needs an invite")
	}
	now := time.Now()
	i, err := invite.Check(room.Invites.Key, code, now)
	if err != nil {
		return nil, closeError(protocol.CloseInvite, "%v", err)
	}
	if i.Task != room.Task {
		return nil, closeError(protocol.CloseInvite, "the invite is for another task, %s", i.Task)
	}
	err = room.Invites.Uses.UseInvite(i, now)
	if errors.Is(err, invite.ErrUsedUp) {
		return nil, closeError(protocol.CloseInvite, "%v", invite.ErrUsedUp)
	}
	if err != nil {
		if s.hub.uncounted.Due() {
			s.hub.log.Error("cannot count the use of an invite", "invite", i.ID, "error", err)
		}
		return nil, closeError(protocol.CloseOverloaded, "the use of the invite cannot be counted now: try again later")
	}
	return func() {
		if err := room.Invites.Uses.ReturnInvite(i.ID); err != nil {
			s.hub.log.Warn("cannot give the use of an invite back", "invite", i.ID, "error", err)
		}
	}, nil
}
