package tab

import "time"

// MinEffort is the smallest share of the time, in percent, that a tab trains.
const MinEffort = 10

// minRest is the shortest rest: browsers make shorter ones as long as 4 ms.
const minRest = 10 * time.Millisecond

// maxCredit bounds what a rest that took too long takes off the next ones.
const maxCredit = 200 * time.Millisecond

// Pace has a worker rest between slices of training, so that it trains a share of the
// time. It decides when to train, never what. The zero value never rests.
type Pace struct {
	percent int           // 0: 100
	owed    time.Duration // rest that is due; negative after one that was too long
}

// Set sets the share in percent, from MinEffort to 100; what is beyond is moved there.
func (p *Pace) Set(percent int) {
	p.percent = min(max(percent, MinEffort), 100)
	p.owed = min(p.owed, 0)
}

// Worked counts a slice of training, and returns how long to rest now: 0 until a rest is
// long enough to be worth one.
func (p *Pace) Worked(took time.Duration) time.Duration {
	if p.percent == 0 || p.percent == 100 {
		return 0
	}
	p.owed += took * time.Duration(100-p.percent) / time.Duration(p.percent)
	if p.owed < minRest {
		return 0
	}
	return p.owed
}

// Rested counts a rest, or a time in which there was nothing to train.
func (p *Pace) Rested(took time.Duration) { p.owed = max(p.owed-took, -maxCredit) }
