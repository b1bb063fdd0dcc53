package cluster

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"slices"
	"time"

	"fedtab/coordinator/store"
	"fedtab/learn/data"
	"fedtab/protocol/invite"
	"fedtab/run"
)

// opKind says which method of store.Recorder a record is a call of.
type opKind uint8

const (
	opTerm opKind = iota + 1 // none: a term begins
	opCreate
	opCreateFrom
	opSetTask
	opSetDataHash
	opExtend
	opAnnotate
	opPin
	opDelete
	opReserve
	opDepart
	opOpenRound
	opSum
	opCommit
	opEvaluate
	opConstants
	opPause
	opResume
	opFinish
	opLog
	opAddInvite
	opUseInvite
	opReturnInvite
	opRevokeInvite
)

// op is a record: the arguments of a call.
type op struct {
	Kind         opKind
	ID           string // of the run
	Text         string // reason or note
	At           time.Time
	Number       uint64 // version, or first number that is not reserved
	Flag         bool
	Hash         [32]byte
	Participants []uint32
	Run          *store.Run
	Extension    *store.Extension
	Open         *run.OpenRound
	Sum          *run.Sum
	Commit       *run.Commit // without its vectors
	Object       string      // that has them
	Evaluation   *run.Evaluation
	Constants    *data.Constants
	Entries      []run.LogEntry
	Ledger       *run.Ledger
	Invite       *invite.Invite
}

func encode(o *op) ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(o); err != nil {
		return nil, fmt.Errorf("cluster: encode a record: %w", err)
	}
	return b.Bytes(), nil
}

func decode(b []byte) (*op, error) {
	o := &op{}
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(o); err != nil {
		return nil, fmt.Errorf("cluster: a record of %d bytes is none: %w", len(b), err)
	}
	return o, nil
}

// split takes the vectors out of a commit.
func split(c run.Commit) (run.Commit, vectors) {
	v := vectors{Params: c.Params, Names: slices.Sorted(maps.Keys(c.State))}
	for _, name := range v.Names {
		v.State = append(v.State, c.State[name])
	}
	c.Params, c.State = nil, nil
	return c, v
}

// join puts them back.
func join(c run.Commit, v vectors) run.Commit {
	c.Params = v.Params
	if len(v.Names) > 0 {
		c.State = map[string][]float32{}
		for i, name := range v.Names {
			c.State[name] = v.State[i]
		}
	}
	return c
}

// apply calls the method on a database. position is that of the record.
func (o *op) apply(s *store.Store, position uint64, get func(string) (vectors, error)) error {
	commit := func() (run.Commit, error) {
		v, err := get(o.Object)
		return join(*o.Commit, v), err
	}
	switch o.Kind {
	case opTerm:
		return nil
	case opCreate:
		return s.CreateRun(*o.Run)
	case opCreateFrom:
		c, err := commit()
		if err != nil {
			return err
		}
		return s.CreateRunFrom(*o.Run, c, o.Constants)
	case opSetTask:
		return s.SetTask(*o.Run)
	case opSetDataHash:
		return s.SetDataHash(o.ID, o.Hash)
	case opExtend:
		return s.Extend(o.ID, *o.Extension)
	case opAnnotate:
		return s.Annotate(o.ID, o.Text)
	case opPin:
		return s.Pin(o.ID, o.Number, o.Flag)
	case opDelete:
		return s.Delete(o.ID)
	case opReserve:
		return s.ReserveParticipants(o.ID, uint32(o.Number))
	case opDepart:
		return s.Depart(o.ID, o.Participants, o.At)
	case opOpenRound:
		return s.OpenRound(o.ID, *o.Open)
	case opSum:
		return s.Sum(o.ID, *o.Sum)
	case opCommit:
		c, err := commit()
		if err != nil {
			return err
		}
		return s.Commit(o.ID, c)
	case opEvaluate:
		return s.Evaluate(o.ID, *o.Evaluation)
	case opConstants:
		return s.Constants(o.ID, *o.Constants)
	case opPause:
		return s.Pause(o.ID, o.Text, o.At)
	case opResume:
		return s.Resume(o.ID)
	case opFinish:
		return s.Finish(o.ID, o.Text, o.At)
	case opLog:
		return s.LogOnce(o.ID, o.Entries, *o.Ledger, positionKey, fmt.Sprint(position))
	case opAddInvite:
		return s.AddInvite(*o.Invite, o.At)
	case opUseInvite:
		return s.UseInviteOnce(*o.Invite, o.At, positionKey, fmt.Sprint(position))
	case opReturnInvite:
		return s.ReturnInviteOnce(o.Invite.ID, positionKey, fmt.Sprint(position))
	case opRevokeInvite:
		return s.RevokeInvite(o.Invite.ID)
	}
	return fmt.Errorf("cluster: record %d is of kind %d, which this build does not know: want one at least as new as that of the node which wrote it", position, o.Kind)
}
