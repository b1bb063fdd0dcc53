package store

import (
	"database/sql"
	"fmt"
	"time"

	"fedtab/protocol/invite"
)

// Invite is an invite in the database. Its Uses are 0 once it was revoked.
type Invite struct {
	invite.Invite
	Used    uint32 // participants that have joined with it
	Created time.Time
}

// AddInvite records an invite that was made, so that Invites lists it.
func (s *Store) AddInvite(i invite.Invite, now time.Time) error {
	if s.via != nil {
		return s.via.AddInvite(i, now)
	}
	_, err := s.write.Exec(`INSERT INTO invites (id, task, uses, used, created_at, expires_at) VALUES (?, ?, ?, 0, ?, ?)`,
		i.ID.String(), i.Task, i.Uses, timeText(now), timeText(i.Expires))
	return wrap(err, "invite %s", i.ID)
}

// UseInvite counts a use of an invite that was signed with this database's secret, and
// returns when that is on disk. The error wraps invite.ErrUsedUp if none was left. An invite
// that is not there, because a copy of the database from before it was restored, is
// recorded.
func (s *Store) UseInvite(i invite.Invite, now time.Time) error {
	if s.via != nil {
		return s.via.UseInvite(i, now)
	}
	return useInvite(s.write, i, now)
}

// UseInviteOnce is UseInvite, and records a value under a key (SetMeta) in the same transaction. It
// does nothing if the key has that value.
func (s *Store) UseInviteOnce(i invite.Invite, now time.Time, key, value string) error {
	return s.once(key, value, func(tx *sql.Tx) error { return useInvite(tx, i, now) })
}

// ReturnInviteOnce is ReturnInvite likewise.
func (s *Store) ReturnInviteOnce(id invite.ID, key, value string) error {
	return s.once(key, value, func(tx *sql.Tx) error { return returnInvite(tx, id) })
}

// execer is a database or a transaction.
type execer interface {
	Exec(query string, args ...any) (sql.Result, error)
}

func useInvite(db execer, i invite.Invite, now time.Time) error {
	r, err := db.Exec(`INSERT INTO invites (id, task, uses, used, created_at, expires_at) VALUES (?, ?, ?, 1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET used = used + 1 WHERE used < uses`,
		i.ID.String(), i.Task, i.Uses, timeText(now), timeText(i.Expires))
	return wrap(one(r, err, invite.ErrUsedUp), "invite %s", i.ID)
}

// ReturnInvite undoes UseInvite.
func (s *Store) ReturnInvite(id invite.ID) error {
	if s.via != nil {
		return s.via.ReturnInvite(id)
	}
	return returnInvite(s.write, id)
}

func returnInvite(db execer, id invite.ID) error {
	r, err := db.Exec(`UPDATE invites SET used = used - 1 WHERE id = ? AND used > 0`, id.String())
	return wrap(one(r, err, fmt.Errorf("a use of it is %w", ErrNotFound)), "invite %s", id)
}

// InviteUsed reports whether somebody has joined with an invite that was not revoked since.
func (s *Store) InviteUsed(id invite.ID) (used bool, err error) {
	err = s.read.QueryRow(`SELECT EXISTS (SELECT 1 FROM invites WHERE id = ? AND uses > 0 AND used > 0)`, id.String()).Scan(&used)
	return used, wrap(err, "invite %s", id)
}

// RevokeInvite makes an invite admit no further participant. Its error wraps
// ErrNotFound.
func (s *Store) RevokeInvite(id invite.ID) error {
	if s.via != nil {
		return s.via.RevokeInvite(id)
	}
	r, err := s.write.Exec(`UPDATE invites SET uses = 0 WHERE id = ?`, id.String())
	return wrap(one(r, err, fmt.Errorf("it is %w", ErrNotFound)), "invite %s", id)
}

// Invites returns all invites, those that were made first in front.
func (s *Store) Invites() ([]Invite, error) {
	rows, err := s.read.Query(`SELECT id, task, uses, used, created_at, expires_at FROM invites ORDER BY created_at, id`)
	if err != nil {
		return nil, wrap(err, "invites")
	}
	defer rows.Close()
	var all []Invite
	for rows.Next() {
		i, err := scanInvite(rows)
		if err != nil {
			return nil, wrap(err, "invites")
		}
		all = append(all, i)
	}
	return all, wrap(rows.Err(), "invites")
}

func scanInvite(rows *sql.Rows) (i Invite, err error) {
	var id, created, expires string
	if err := rows.Scan(&id, &i.Task, &i.Uses, &i.Used, &created, &expires); err != nil {
		return i, err
	}
	if i.ID, err = invite.ParseID(id); err != nil {
		return i, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if i.Created, err = parseTime(created); err != nil {
		return i, err
	}
	i.Expires, err = parseTime(expires)
	return i, err
}
