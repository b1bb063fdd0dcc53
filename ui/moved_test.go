//go:build !js

package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fedtab/tab"
)

// All that moves is counted by what it is, examples and the page included, and said in
// words.
func TestMovedWords(t *testing.T) {
	p := shown(t)
	c := Moved{p}
	if got, want := c.sumWords(), "Nothing that was learned has left this tab yet."; got != want || c.any() || len(c.groups()) > 0 {
		t.Errorf("before: %q, %v, want %q and nothing to list", got, c.groups(), want)
	}
	p.OnLoadedBytes(12, 1_200_000)
	p.OnMoved(decode(t, `{"entries": [
		{"kind": "hello", "up": true, "bytes": 128},
		{"kind": "examples", "bytes": 10400000, "examples": 15000},
		{"kind": "model", "bytes": 50000, "version": 3, "values": 199210},
		{"kind": "progress", "up": true, "bytes": 40, "round": 4, "examples": 600},
		{"kind": "contribution", "up": true, "bytes": 29000, "values": 199210, "round": 4},
		{"kind": "ack", "bytes": 30, "reason": "accepted"}], "skipped": 2}`))
	if got, want := c.sumWords(), "So far 29.2 kB have left this tab. None of it is an example."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want := []movedGroup{
		{"What was learned: changes of the model", "29.0 kB", dash},
		{"The model", dash, "50.0 kB"},
		{"Examples to learn from", dash, "10.4 MB"},
		{"This page and its program", dash, "1.20 MB"},
		{"Short messages, to keep in step", "168 B", "30 B"},
	}
	if got := c.groups(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("totals\n%v\nwant\n%v", got, want)
	}
	if len(c.listed()) > 0 || c.foldWords() != "Show all 8 messages" {
		t.Errorf("folded: %v, %q", c.listed(), c.foldWords())
	}
	p.MovedOpen = true
	page := strings.ReplaceAll(render(t, p), "\n", " ")
	for _, want := range []string{
		"Thanks for the answer: accepted</span><span>30 B", "199,210 changes of parameters; no example</span><span>29.0 kB",
		"600 examples of round 4 trained so far", "Version 3 of the model: 199,210 parameters", "15,000 examples to learn from",
		"A greeting: this tab would like to take part",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	p.Leave()
	if p.OnGone(); p.Moved.left() != 29168 {
		t.Errorf("after leaving %d bytes are known, want 29168", p.Moved.left())
	}
}

// Of own data, sums leave the tab, and counts of a test.
func TestMovedOwnWords(t *testing.T) {
	p := ownTask(t, patients)
	c := Moved{p}
	p.OnMoved(decode(t, `{"entries": [{"kind": "contribution", "up": true, "bytes": 400, "payload": "totals"}, {"kind": "contribution", "up": true, "bytes": 90, "payload": "evaluation"}]}`))
	if got, want := c.sumWords(), "So far 490 B have left this tab. Not one row, picture or file of yours is in it."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := c.groups(); len(got) != 1 || got[0].what != "Sums over all of your data" {
		t.Errorf("totals %v", got)
	}
	if e := slices.Collect(p.Moved.entries.all(0)); !strings.HasPrefix(c.entryWords(e[0]), "Sums over all rows") || !strings.HasPrefix(c.entryWords(e[1]), "How often") {
		t.Errorf("%q, %q", c.entryWords(e[0]), c.entryWords(e[1]))
	}
}

// The page keeps the newest entries, and shows the newest of those.
func TestMovedIsBounded(t *testing.T) {
	p := shown(t)
	p.MovedOpen = true
	const over = 20_999
	for i := range over + 1 {
		p.OnMoved(map[string]any{"entries": []any{map[string]any{"kind": "progress", "up": true, "bytes": 1., "examples": float64(i)}}})
	}
	p.OnMoved(map[string]any{"skipped": 5.})
	c := Moved{p}
	if n := p.Moved.entries.count; n != ledgerBlocks*blockEntries || p.Moved.dropped != 1005 || len(c.listed()) != shownMoved || c.listed()[0].Examples != over {
		t.Errorf("%d kept, %d dropped, %d shown", n, p.Moved.dropped, len(c.listed()))
	}
	if got, want := c.moreWords(), "These are the newest 50; the file has the newest 20,000."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A ledger gives back what it was given, in little memory, whatever the texts are.
func TestLedger(t *testing.T) {
	var l ledger
	var want []tab.Entry
	size := func() (bytes int) {
		for _, b := range l.blocks {
			bytes += len(b)
		}
		return bytes
	}
	for i := range 2500 {
		e := tab.Entry{
			At: 1_800_000_000_000 + int64(i), Up: i%2 == 0, Kind: "contribution", Bytes: int64(i) << 20, Participant: i % 7, Round: i, Version: -i,
			Values: 199_210, Bits: float64(i) / 3, Codec: "deadzone", Examples: 600, Weight: 600, Reason: "accepted",
		}
		if i%5 == 0 {
			e.Detail = fmt.Sprintf("the norm %d of the change is larger than the bound", i)
		}
		want = append(want, e)
		if dropped := l.add(&e); dropped != 0 {
			t.Fatalf("entry %d: %d are dropped, want none", i, dropped)
		}
	}
	for _, but := range []int{0, 1, 999, 1000, 1001, 2450, 2499, 2500} {
		if got := slices.Collect(l.all(but)); !slices.Equal(got, want[but:]) {
			t.Errorf("all but the first %d: %d entries, want %d as they were added", but, len(got), len(want)-but)
		}
	}
	if got := size() / 2500; got > 60 {
		t.Errorf("an entry takes %d bytes, want at most 60", got)
	}
	for range l.all(100) {
		break // an early end is no error
	}
}
