package strategy

import (
	"encoding/binary"
	"fmt"
)

// roundsFormat is the first byte of a snapshot; formats before it are read too. That of a
// secure run has its bound as well. Those of runs with noise are read by themselves: before them
// participations were of numbers of the run, which are persons now.
const (
	roundsFormat       = 4
	secureRoundsFormat = 5
	noisedFormat       = 6
	secureNoisedFormat = 7
)

// Restore implements Strategy.
func (r *rounds) Restore(snapshot []byte) error {
	d := stateReader{b: snapshot}
	format, newest := d.byte(), r.format()
	if r.private != nil && format >= 1 && format < noisedFormat {
		return fmt.Errorf("strategy: %s snapshot is of format %d, from a build that counted a person with several numbers of the run as several, want format %d: a run with noise that such a build began does not go on, begin a new one (serve --fresh)", r.cfg.Kind, format, newest)
	}
	if format < 1 || format > newest || r.private != nil && format != newest {
		return fmt.Errorf("strategy: %s snapshot of %d bytes is not of a format this build knows", r.cfg.Kind, len(snapshot))
	}
	version, order := d.uint(), d.uint()
	var b backoff
	if format >= 2 {
		b.readHalvings(&d)
	}
	if format >= 3 {
		b.readStreak(&d)
	}
	if format >= 4 {
		r.clip.read(&d)
		r.cohort.read(&d)
	}
	if format == secureRoundsFormat || format == secureNoisedFormat {
		r.bound.read(&d)
	}
	if r.private != nil {
		if err := r.private.read(&d); err != nil {
			return err
		}
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("strategy: %s snapshot is %w", r.cfg.Kind, err)
	}
	r.version, r.order, r.backoff = version, OrderID(order), b
	return nil
}

// format returns the first byte of a snapshot.
func (r *rounds) format() byte {
	switch secure := r.setup.Secure != nil; {
	case secure && r.private != nil:
		return secureNoisedFormat
	case r.private != nil:
		return noisedFormat
	case secure:
		return secureRoundsFormat
	}
	return roundsFormat
}

// snapshot describes the state after a step to version is committed.
func (r *rounds) snapshot(version uint64) []byte { return r.describe(version, true) }

// describe describes the state after version is committed, which is a step, or the way back to
// an earlier version.
func (r *rounds) describe(version uint64, step bool) []byte {
	b := []byte{r.format()}
	b = binary.AppendUvarint(b, version)
	b = binary.AppendUvarint(b, uint64(r.order))
	after := r.backoff.afterCommit()
	b = after.appendStreak(after.appendHalvings(b))
	b = r.cohort.append(r.clip.afterCommit().append(b))
	if r.setup.Secure != nil {
		b = r.bound.afterCommit().append(b)
	}
	if r.private != nil {
		b = r.private.append(b, step)
	}
	return b
}

// stateReader reads the state that a strategy has encoded.
type stateReader struct {
	b      []byte
	broken bool
}

func (d *stateReader) byte() byte {
	if len(d.b) == 0 {
		d.broken = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *stateReader) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.broken = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// end returns an error unless exactly all has been read.
func (d *stateReader) end() error {
	if d.broken || len(d.b) > 0 {
		return fmt.Errorf("cut off or too long")
	}
	return nil
}
