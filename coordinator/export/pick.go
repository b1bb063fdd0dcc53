package export

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"fedtab/learn"
	"fedtab/run"
)

// Pick returns the committed version that want names: "newest", "best" (by test
// accuracy, or by test loss in a regression; the earliest of equals), or a number.
func Pick(rounds []run.RoundRecord, want string) (uint64, error) {
	if len(rounds) == 0 {
		return 0, fmt.Errorf("committed versions: 0, want at least 1")
	}
	newest := rounds[len(rounds)-1].Round
	switch want {
	case "newest":
		return newest, nil
	case "best":
		best := -1
		for i, r := range rounds {
			if r.Test != nil && (best < 0 || better(r.Test, rounds[best].Test)) {
				best = i
			}
		}
		if best < 0 {
			return 0, fmt.Errorf("evaluated versions: 0, want at least 1 for best; newest needs none")
		}
		return rounds[best].Round, nil
	}
	v, err := strconv.ParseUint(want, 10, 64)
	if err != nil || v < 1 || v > newest {
		return 0, fmt.Errorf("version: %q, want newest, best or 1 to %d", want, newest)
	}
	return v, nil
}

// Metadata returns the provenance of a file: run, version and figures.
func Metadata(task, runID string, version uint64, hash [32]byte) map[string]string {
	return map[string]string{
		"format": "fedtab", "task": task, "run": runID,
		"version": strconv.FormatUint(version, 10), "sha256": hex.EncodeToString(hash[:]),
	}
}

func better(a, b *learn.Figures) bool {
	if math.IsNaN(a.Accuracy) {
		return a.Loss < b.Loss || math.IsNaN(b.Loss) && !math.IsNaN(a.Loss)
	}
	return a.Accuracy > b.Accuracy
}
