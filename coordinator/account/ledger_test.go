package account

import (
	"testing"

	"fedtab/run"
)

// A ledger is read back as it was written, every field of it.
func TestLedger(t *testing.T) {
	l := run.Ledger{
		Traffic:    run.Traffic{Up: 1, Down: 2, ModelsUp: 3, ModelsDown: 4},
		MessagesUp: 5, MessagesDown: 6, Abandoned: 7, RolledBack: 8,
	}
	for k := range l.Kinds {
		l.Kinds[k] = run.KindTraffic{Up: int64(k), Down: int64(10 * k)}
	}
	for r := range l.Answers {
		l.Answers[r] = int64(r)
	}
	for s := range l.Shapes {
		l.Shapes[s] = int64(s + 1)
	}
	var back run.Ledger
	if err := ParseLedger(&back, Ledger(&l)); err != nil || back != l {
		t.Errorf("got %+v (%v), want %+v", back, err, l)
	}
	if err := ParseLedger(&back, "{"); err == nil {
		t.Error("broken JSON is accepted")
	}
}
