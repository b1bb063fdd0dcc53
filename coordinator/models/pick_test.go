package models

import (
	"math"
	"testing"

	"fedtab/learn"
	"fedtab/run"
)

func TestPick(t *testing.T) {
	accuracy := func(a float64) *learn.Figures { return &learn.Figures{Accuracy: a} }
	loss := func(l float64) *learn.Figures { return &learn.Figures{Loss: l, Accuracy: math.NaN()} }
	rounds := []run.RoundRecord{
		{Round: 1}, {Round: 2, Test: accuracy(.9)}, {Round: 3, Test: accuracy(.9)},
		{Round: 4, Test: accuracy(.8)}, {Round: 5},
	}
	regression := []run.RoundRecord{
		{Round: 1, Test: loss(math.NaN())}, {Round: 2, Test: loss(3)}, {Round: 3, Test: loss(2)}, {Round: 4, Test: loss(2)}, {Round: 5, Test: loss(math.NaN())},
	}
	validated := []run.RoundRecord{ // the test set has another best
		{Round: 1, Test: accuracy(.9), Validation: accuracy(.7)}, {Round: 2, Test: accuracy(.6), Validation: accuracy(.8)}, {Round: 3, Test: accuracy(.95), Validation: accuracy(.8)}, {Round: 4},
	}
	lossy := []run.RoundRecord{{Round: 1, Test: loss(1), Validation: loss(3)}, {Round: 2, Test: loss(4), Validation: loss(2)}}
	for _, test := range []struct {
		rounds []run.RoundRecord
		want   string
		got    uint64 // 0: an error
	}{
		{rounds, "newest", 5}, {rounds, "best", 2}, {regression, "best", 3}, {validated, "best", 2}, {lossy, "best", 2}, {rounds, "4", 4},
		{rounds, "0", 0}, {rounds, "6", 0}, {rounds, "-1", 0}, {rounds, "", 0}, {rounds, "last", 0},
		{nil, "newest", 0}, {rounds[:1], "best", 0},
	} {
		got, err := Pick(test.rounds, test.want)
		if got != test.got || (err != nil) != (test.got == 0) {
			t.Errorf("Pick(%d rounds, %q) = %d, %v; want %d", len(test.rounds), test.want, got, err, test.got)
		}
	}
}
