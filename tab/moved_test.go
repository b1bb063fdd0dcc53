package tab

import (
	"slices"
	"testing"
)

func TestAccount(t *testing.T) {
	var a Account
	if a.Pending() || len(a.Take().Entries) != 0 || len(a.Totals()) != 0 {
		t.Fatal("an empty account has something")
	}
	a.Add(Entry{Kind: "contribution", Up: true, Bytes: 10})
	a.Add(Entry{Kind: Examples, Bytes: 100})
	a.Add(Entry{Kind: "contribution", Up: true, Bytes: 20})
	a.Add(Entry{Kind: "contribution", Bytes: 1})
	if !a.Pending() {
		t.Error("nothing is pending")
	}
	m := a.Take()
	if len(m.Entries) != 4 || m.Skipped != 0 || m.Type != "moved" || m.Entries[2].Bytes != 20 {
		t.Errorf("took %+v", m)
	}
	want := []Total{{"contribution", true, 2, 30}, {Examples, false, 1, 100}, {"contribution", false, 1, 1}}
	if got := a.Totals(); !slices.Equal(got, want) {
		t.Errorf("totals %+v, want %+v", got, want)
	}
	if a.Pending() {
		t.Error("entries are pending after they were taken")
	}
}

// A page that takes nothing costs bounded memory, and the totals stay right.
func TestAccountIsBounded(t *testing.T) {
	var a Account
	for range MaxEntries + 7 {
		a.Add(Entry{Kind: "status", Bytes: 2})
	}
	m := a.Take()
	if len(m.Entries) != MaxEntries || m.Skipped != 7 {
		t.Errorf("%d entries and %d skipped, want %d and 7", len(m.Entries), m.Skipped, MaxEntries)
	}
	if got, want := a.Totals()[0], (Total{"status", false, MaxEntries + 7, 2 * (MaxEntries + 7)}); got != want {
		t.Errorf("total %+v, want %+v", got, want)
	}
	if m := a.Take(); len(m.Entries) != 0 || m.Skipped != 0 {
		t.Errorf("took %+v again", m)
	}
}
