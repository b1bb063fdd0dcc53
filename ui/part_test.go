//go:build !js

package ui

import (
	"encoding/json"
	"strings"
	"testing"
)

// What the tab has given to a run stays known when it is reloaded, and when it leaves and
// joins again. Another run begins anew.
func TestPartStays(t *testing.T) {
	p := shown(t)
	if got := p.Part(); got.Run != "" {
		t.Errorf("before joining the part is %+v, want none", got)
	}
	report := func(p *Page, contributions, trained int, connection string) {
		t.Helper()
		p.OnWorkerState(map[string]any{"connection": connection, "contributions": float64(contributions), "trained": float64(trained), "rejected": 1., "bytesUp": 100., "bytesDown": 200.})
	}
	check := func(p *Page, want string) {
		t.Helper()
		if got := p.PartWords(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	p.Join()
	p.OnReady("wasm-simd128")
	report(p, 3, 600, "joined")
	p.OnMoved(decode(t, `{"entries": [{"kind": "contribution", "up": true, "bytes": 90}, {"kind": "model", "bytes": 50}]}`))
	check(p, "This tab has added 3 contributions")
	p.Leave()
	report(p, 3, 600, "left")
	p.Join()
	check(p, "This tab has added 3 contributions")
	p.OnReady("wasm-simd128")
	report(p, 1, 200, "joined")
	check(p, "This tab has added 4 contributions")
	if l := p.Local; l.Trained != 800 || l.Rejected != 2 || l.BytesUp != 200 || l.BytesDown != 400 {
		t.Errorf("after joining again: %+v", l.Report)
	}

	kept, err := json.Marshal(p.Part())
	if err != nil {
		t.Fatal(err)
	}
	reloaded := shown(t)
	reloaded.OnPart(decode(t, string(kept)))
	check(reloaded, "This tab has added 4 contributions")
	c := Moved{reloaded}
	if got := c.sumWords(); got != "So far 90 B have left this tab. None of it is an example." {
		t.Errorf("after a reload: %q", got)
	}
	reloaded.Join()
	reloaded.OnReady("wasm-simd128")
	report(reloaded, 2, 100, "joined")
	check(reloaded, "This tab has added 6 contributions")
	if got, want := c.foldWords(), "Show all 2 messages"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	other := shown(t)
	other.OnPart(decode(t, strings.Replace(string(kept), `"r1"`, `"r2"`, 1)))
	check(other, "")
	if other.PartWords() != "" || other.Part().Run != "" {
		t.Errorf("another run's part is shown: %q", other.PartWords())
	}
	p.OnForgotten("")
	if got := p.Part(); got.Run != "" {
		t.Errorf("after forgetting the part is %+v, want none", got)
	}
}
