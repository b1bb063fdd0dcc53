package store

import (
	"time"

	"fedtab/learn/data"
	"fedtab/protocol/invite"
	"fedtab/run"
)

// A Recorder takes what would be written to a database: a Store does, and so does the log of a
// cluster, which has it written here, and in the databases of the other nodes, once it is durable.
// The methods are those of Store.
type Recorder interface {
	run.Journal
	CreateRun(r Run) error
	CreateRunFrom(r Run, first run.Commit, c *data.Constants) error
	SetTask(r Run) error
	SetDataHash(id string, hash [32]byte) error
	Extend(id string, e Extension) error
	Annotate(id, note string) error
	Pin(id string, version uint64, pinned bool) error
	Delete(id string) error
	AddInvite(i invite.Invite, now time.Time) error
	UseInvite(i invite.Invite, now time.Time) error
	ReturnInvite(id invite.ID) error
	RevokeInvite(id invite.ID) error
}

var _ Recorder = (*Store)(nil)
