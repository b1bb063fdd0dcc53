package strategy

import (
	"encoding/binary"
	"math"
)

// backoff lowers a learning rate after rollbacks. Each rollback halves the rate;
// recoverAfter commits in a row without one double it again, up to the
// configured rate.
type backoff struct {
	halvings int
	streak   int // commits since the last rollback or doubling, while halvings > 0
}

// recoverAfter is how many commits in a row double a halved rate.
const recoverAfter = 20

// maxHalvings bounds the halvings: 2^-64 of a rate moves no float32.
const maxHalvings = 64

func (b *backoff) rolledBack() {
	b.halvings, b.streak = min(b.halvings+1, maxHalvings), 0
}

func (b *backoff) committed() {
	if b.halvings == 0 {
		return
	}
	if b.streak++; b.streak >= recoverAfter {
		b.halvings, b.streak = b.halvings-1, 0
	}
}

// factor is what the rate is multiplied by.
func (b backoff) factor() float64 { return math.Ldexp(1, -b.halvings) }

// afterCommit returns the state as of the next Committed event.
func (b backoff) afterCommit() backoff {
	b.committed()
	return b
}

// readHalvings reads what every snapshot format since rollbacks has.
func (b *backoff) readHalvings(d *stateReader) { b.halvings = int(min(d.uint(), maxHalvings)) }

// readStreak reads what snapshots before the recovery lack.
func (b *backoff) readStreak(d *stateReader) { b.streak = int(min(d.uint(), recoverAfter-1)) }

func (b backoff) appendHalvings(to []byte) []byte {
	return binary.AppendUvarint(to, uint64(b.halvings))
}

func (b backoff) appendStreak(to []byte) []byte { return binary.AppendUvarint(to, uint64(b.streak)) }

// blamed lowers the rate when many of the contributions to a version were to blame:
// then the rate is too large, rather than a few clients wrong.
func (b *backoff) blamed(contributions, of int) {
	if 4*contributions > of && contributions > 1 {
		b.rolledBack()
	}
}
