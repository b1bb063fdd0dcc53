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
	for _, test := range []struct {
		rounds []run.RoundRecord
		want   string
		got    uint64 // 0: an error
	}{
		{rounds, "newest", 5}, {rounds, "best", 2}, {regression, "best", 3}, {rounds, "4", 4},
		{rounds, "0", 0}, {rounds, "6", 0}, {rounds, "-1", 0}, {rounds, "", 0}, {rounds, "last", 0},
		{nil, "newest", 0}, {rounds[:1], "best", 0},
	} {
		got, err := Pick(test.rounds, test.want)
		if got != test.got || (err != nil) != (test.got == 0) {
			t.Errorf("Pick(%d rounds, %q) = %d, %v; want %d", len(test.rounds), test.want, got, err, test.got)
		}
	}
}
