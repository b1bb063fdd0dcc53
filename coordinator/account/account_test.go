package account

import (
	"testing"

	"fedtab/protocol"
	"fedtab/run"
)

// Bytes by kind are read back as they were written.
func TestKinds(t *testing.T) {
	var all, back run.Traffic
	for k := range all.Kinds {
		all.Kinds[k] = run.KindTraffic{Up: int64(k), Down: int64(100 * k)}
	}
	all.Kinds[0] = run.KindTraffic{Up: 7} // frames that were refused
	if err := ParseKinds(&back, Kinds(&all)); err != nil || back.Kinds != all.Kinds {
		t.Errorf("read back %v from %s: %v", back.Kinds, Kinds(&all), err)
	}
	if got, want := Kinds(&run.Traffic{}), "{}"; got != want {
		t.Errorf("no bytes are written as %s, want %s", got, want)
	}
	if err := ParseKinds(&back, "{"); err == nil {
		t.Error("broken JSON is accepted")
	}
	one := run.Traffic{Up: 1}
	one.Kinds[protocol.KindContribution].Up = 1
	if got, want := Kinds(&one), `{"contribution":{"up":1,"down":0}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
