package run

import (
	"strings"
	"testing"

	"fedtab/protocol"
	"fedtab/strategy"
)

// Rounds that follow each other fast are told of every few seconds, and the end at once.
func TestNews(t *testing.T) {
	var log logLines
	f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Log = &log })
	a, pa := f.join(t)
	b, pb := f.join(t)
	round := func() {
		t.Helper()
		f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
		f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	}
	count := func(what string) (n int) {
		for _, line := range log {
			if strings.HasPrefix(line, what) {
				n++
			}
		}
		return n
	}
	for range 20 {
		round()
	}
	if v, _, _ := f.Model(); v != 20 || count("round committed") != 1 || count("round opened") != 1 {
		t.Errorf("at version %d the log has %q, want one line of a kind", v, log)
	}
	f.env.advance(newsEvery)
	round()
	round()
	if count("round committed") != 2 {
		t.Errorf("%v later the log has %q, want another line", newsEvery, log)
	}
	f.End("enough")
	if count("run finished") != 1 {
		t.Errorf("the log has %q, want the end", log)
	}
}
