// Package models picks versions of a run's model and makes the files of them that
// people take away.
package models

import (
	"fmt"
	"math"
	"strconv"

	"fedtab/learn"
	"fedtab/run"
)

// Pick returns the committed version that want names: "newest", "best" (by
// validation accuracy, or by validation loss in a regression, without a validation set by
// those of the test set; the earliest of equals), or a number. Its error is a NoVersion.
func Pick(rounds []run.RoundRecord, want string) (uint64, error) {
	if len(rounds) == 0 {
		return 0, noVersion("committed versions: 0, want at least 1")
	}
	newest := rounds[len(rounds)-1].Round
	switch want {
	case "newest":
		return newest, nil
	case "best":
		best := -1
		for i := range rounds {
			if f := rounds[i].Selected(); f != nil && (best < 0 || better(f, rounds[best].Selected())) {
				best = i
			}
		}
		if best < 0 {
			return 0, noVersion("evaluated versions: 0, want at least 1 for best; newest needs none")
		}
		return rounds[best].Round, nil
	}
	v, err := strconv.ParseUint(want, 10, 64)
	if err != nil || v < 1 || v > newest {
		return 0, noVersion("version: %q, want newest, best or 1 to %d", want, newest)
	}
	return v, nil
}

// NoVersion says that there is no such version, and which there are.
type NoVersion string

func (e NoVersion) Error() string { return string(e) }

func noVersion(format string, args ...any) error { return NoVersion(fmt.Sprintf(format, args...)) }

func better(a, b *learn.Figures) bool {
	if math.IsNaN(a.Accuracy) {
		return a.Loss < b.Loss || math.IsNaN(b.Loss) && !math.IsNaN(a.Loss)
	}
	return a.Accuracy > b.Accuracy
}
