package secagg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"fedtab/privacy/secagg"

	"pgregory.net/rapid"
)

// tamper changes what a client gets of a kind.
func (w *network) tamper(client uint64, kind byte, change func(message []byte) [][]byte) *network {
	w.changes = func(to uint64, up bool, message []byte) [][]byte {
		if to == client && !up && message[0] == kind {
			return change(message)
		}
		return [][]byte{message}
	}
	return w
}

// lie changes what a client sends of a kind.
func (w *network) lie(client uint64, kind byte, change func(message []byte) []byte) *network {
	w.changes = func(from uint64, up bool, message []byte) [][]byte {
		if from == client && up && message[0] == kind {
			message = change(message)
		}
		return [][]byte{message}
	}
	return w
}

// wantRefused fails unless the client has left the attempt for a reason.
func (w *network) wantRefused(client uint64, want error) {
	w.t.Helper()
	if err := w.refused[client]; !errors.Is(err, want) {
		w.t.Errorf("client %d: %v, want %v", client, err, want)
	}
}

// wantIgnored fails unless a message has been dropped for a reason.
func (w *network) wantIgnored(want error) {
	w.t.Helper()
	if !slices.ContainsFunc(w.ignored, func(err error) bool { return errors.Is(err, want) }) {
		w.t.Errorf("ignored: %v, want %v", w.ignored, want)
	}
}

// wantFailed fails unless the attempt has no sum, for a reason.
func (w *network) wantFailed(phase string, want error) {
	w.t.Helper()
	if w.failed == nil || w.failed.Phase != phase || !errors.Is(w.failed.Err, want) {
		w.t.Errorf("%+v, want a failure in %q: %v", w.failed, phase, want)
	}
}

// one returns one message.
func one(message []byte) [][]byte { return [][]byte{message} }

// A server that asks for the other share of a neighbour gets nothing more.
func TestServerAsksForBothShares(t *testing.T) {
	for _, terms := range []secagg.Terms{terms(), members(terms(), 8)} {
		w := newNetwork(t, terms, 8, 1)
		w.tamper(3, secagg.KindSurvivors, func(m []byte) [][]byte {
			other := bytes.Clone(m)
			c := w.clients[2]
			other[secagg.HeaderSize] &^= 1 << ((c.Number() + 1) % 8) // another has dropped out
			return [][]byte{m, other}
		})
		w.run()
		w.wantRefused(3, secagg.ErrContradiction)
	}
}

// A server that sends a client a second roster, or another inbox.
func TestServerContradictsItself(t *testing.T) {
	for _, kind := range []byte{secagg.KindRoster, secagg.KindInbox} {
		w := newNetwork(t, terms(), 8, 1)
		w.tamper(3, kind, func(m []byte) [][]byte {
			other := bytes.Clone(m)
			other[len(other)-1] ^= 1
			return [][]byte{m, other}
		})
		w.run()
		w.wantRefused(3, secagg.ErrContradiction)
	}
}

// Whatever sets of survivors a server names, in whatever order: a client reveals for one of them,
// one share of each neighbour.
func TestOneShareOfEach(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newNetwork(t, terms(), 8, 1)
		var roster [32]byte
		w.tamper(3, secagg.KindSurvivors, func([]byte) [][]byte { return nil })
		before := w.changes
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			if m[0] == secagg.KindInbox {
				copy(roster[:], m[1:])
			}
			return before(client, up, m)
		}
		w.run()
		c := w.clients[2]
		neighbours := slices.Clone(c.NeighbourList())
		reveals := map[string]bool{}
		for _, survivors := range rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 5, 8, rapid.ID), 1, 6).Draw(r, "sets") {
			effects := c.Step(secagg.Received{Message: secagg.SurvivorsMessage(roster, 8, survivors...)})
			for len(effects) > 0 {
				e := effects[0]
				effects = effects[1:]
				switch e := e.(type) {
				case secagg.Persist:
					effects = append(effects, c.Step(secagg.Persisted{})...)
				case secagg.Send:
					reveals[string(e.Message)] = true
					for _, dealer := range neighbours {
						if n, err := secagg.Revealed(e.Message, neighbours, dealer); err != nil || n > 1 {
							r.Fatalf("%d shares of client %d, %v", n, dealer, err)
						}
					}
				}
			}
		}
		if len(reveals) > 1 {
			r.Fatalf("%d different reveals, want at most 1", len(reveals))
		}
	})
}

// A server that names a survivor as dropped out: the survivor sees it.
func TestSurvivorNamedAsDropped(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	w.tamper(3, secagg.KindSurvivors, func(m []byte) [][]byte {
		m = bytes.Clone(m)
		m[secagg.HeaderSize] &^= 1 << w.clients[2].Number()
		return one(m)
	})
	w.run().wantSum(8)
	w.wantRefused(3, secagg.ErrSurvivors)
}

// A server that tells some clients that client 3 survives, and others that it has dropped out. With
// members, less than a quorum signs either.
func TestServerWithTwoFaces(t *testing.T) {
	for _, told := range []int{6, 2} {
		w := newNetwork(t, members(terms(), 12), 12, 1)
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			if !up && m[0] == secagg.KindSurvivors && client > 12-uint64(told) {
				m = bytes.Clone(m)
				victim := w.clients[2].Number()
				m[secagg.HeaderSize+victim/8] &^= 1 << (victim % 8)
			}
			return one(m)
		}
		w.run()
		if told == 6 {
			w.wantFailed("consent", secagg.ErrTooFew)
			continue
		}
		w.wantSum(12) // 10 of 12 sign and reveal
		w.wantRefused(11, secagg.ErrSurvivors)
		w.wantRefused(12, secagg.ErrSurvivors)
	}
}

// A server that counts a client among the survivors that has not shared its secrets.
func TestSurvivorThatHasNotShared(t *testing.T) {
	w := newNetwork(t, terms(), 12, 1)
	w.drops = func(client uint64, kind byte) bool { return client == 5 && kind == secagg.KindShares }
	w.tamper(3, secagg.KindSurvivors, func(m []byte) [][]byte {
		m = bytes.Clone(m)
		for i := range 12 {
			m[secagg.HeaderSize+i/8] |= 1 << (i % 8)
		}
		return one(m)
	})
	w.run().wantSum(11)
	w.wantRefused(3, secagg.ErrSurvivors)
}

// A server that passes consents of another set on: the client sees that they are not for its set.
func TestConsentsOfAnotherSet(t *testing.T) {
	w := newNetwork(t, members(terms(), 12), 12, 1)
	w.tamper(3, secagg.KindSurvivors, func(m []byte) [][]byte {
		m = bytes.Clone(m)
		other := w.clients[4].Number()
		m[secagg.HeaderSize+other/8] &^= 1 << (other % 8)
		return one(m)
	})
	before := w.changes
	w.changes = func(client uint64, up bool, m []byte) [][]byte {
		if client == 3 && up && m[0] == secagg.KindConsent {
			w.serve(secagg.Deadline{}) // it is not awaited, and gets the consents of the others
			return nil
		}
		return before(client, up, m)
	}
	var consents []byte
	inner := w.changes
	w.changes = func(client uint64, up bool, m []byte) [][]byte {
		if m[0] == secagg.KindConsents && consents == nil {
			consents = m
			w.step(3, secagg.Received{Message: m})
		}
		return inner(client, up, m)
	}
	w.run().wantSum(12)
	if consents == nil {
		t.Fatal("there were no consents")
	}
	w.wantRefused(3, secagg.ErrSurvivors)
}

// Fewer consents than a quorum.
func TestTooFewConsents(t *testing.T) {
	w := newNetwork(t, members(terms(), 12), 12, 1)
	w.tamper(3, secagg.KindConsents, func(m []byte) [][]byte {
		m = bytes.Clone(m[:secagg.HeaderSize+4+7*68])
		binary.LittleEndian.PutUint32(m[secagg.HeaderSize:], 7) // of 12 clients 8 must sign
		return one(m)
	})
	w.run().wantSum(12)
	w.wantRefused(3, secagg.ErrSurvivors)
}

// A server that gives clients different rosters: their shares do not open, and nobody masks.
func TestServerWithTwoRosters(t *testing.T) {
	w := newNetwork(t, terms(), 12, 1)
	var first, second [32]byte
	w.changes = func(client uint64, up bool, m []byte) [][]byte {
		switch {
		case client <= 6:
		case !up && m[0] == secagg.KindRoster:
			of := w.terms.Digest(w.attempt)
			first = secagg.RosterDigest(of, m[secagg.HeaderSize:])
			m = bytes.Clone(m)
			m[bytes.Index(m, w.keys[1])+33] ^= 1 // the share key of client 1
			second = secagg.RosterDigest(of, m[secagg.HeaderSize:])
		case up && m[0] != secagg.KindKeys:
			m = secagg.Retag(m, first)
		case !up:
			m = secagg.Retag(m, second)
		}
		return one(m)
	}
	w.run()
	for client := range uint64(12) {
		w.wantRefused(client+1, secagg.ErrGraph)
	}
	w.wantFailed("masked", secagg.ErrTooFew)
}

// A server that announces another number of neighbours or another threshold than the risk demands.
func TestServerWithAnotherGraph(t *testing.T) {
	for at := range 2 {
		w := newNetwork(t, terms(), 40, 1)
		w.tamper(3, secagg.KindRoster, func(m []byte) [][]byte {
			m = bytes.Clone(m)
			m[secagg.HeaderSize+4+2*at] -= 2
			return one(m)
		})
		w.run().wantSum(39)
		w.wantRefused(3, secagg.ErrGraph)
	}
}

// A server that puts a client among clients of its own. Members sign their keys, so that there are
// no others.
func TestOneHonestAmongForged(t *testing.T) {
	for name, change := range map[string]func(entry []byte){
		"share keys are the server's": func(entry []byte) { entry[33] ^= 1 },
		"a wrong signature":           func(entry []byte) { entry[68] ^= 1 },
	} {
		w := newNetwork(t, members(terms(), 12), 12, 1)
		w.tamper(3, secagg.KindRoster, func(m []byte) [][]byte {
			m = bytes.Clone(m)
			for i := range uint64(12) {
				if i+1 != 3 {
					change(m[bytes.Index(m, w.keys[i+1]):])
				}
			}
			return one(m)
		})
		if w.run(); w.refused[3] == nil {
			t.Error(name)
		}
		w.wantRefused(3, secagg.ErrKeys)
	}
}

// Without members the server may be all the others, and then learns the vector: this is what secure
// aggregation does not prevent.
func TestOrganiserWhoIsAllOthers(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	w.run().wantSum(8)
	for _, v := range w.vectors[1:] {
		w.sum.Subtract(v)
	}
	if got := w.sum.Values(nil); !slices.Equal(got, w.vectors[0]) {
		t.Errorf("%d, want the vector of client 1", got)
	}
}
