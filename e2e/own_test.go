package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// ownTable is a task with a table of participants.
func ownTable(edit ...string) string {
	return strings.NewReplacer(edit...).Replace(`name: patients
title: Who falls ill
model: {kind: softmax}
data:
  source: own
  table:
    features:
      - {name: age, type: number, min: 0, max: 120}
      - {name: weight, type: number, min: 0, max: 300}
      - {name: sex, type: category, values: [f, m], aliases: {female: f, male: m}}
    label: {name: outcome, values: [healthy, ill]}
  standardise: none
  holdout: 0.2
  examples: {min: 10, max: 100000}
strategy: {kind: fedavg, fraction: 1, epochs: 1, batch: 10, lr: 0.01, min_clients: 1}
stop: {rounds: 5}
`)
}

// patients writes rows of the table: whoever is older than 60 is ill.
func patients(n int, header, format string, more ...string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range n {
		age, sex, outcome := 20+(i*37)%80, []string{"f", "m"}[i%2], "healthy"
		if age > 60 {
			outcome = "ill"
		}
		fmt.Fprintf(&b, format+"\n", age, 50+(i*13)%60, sex, outcome)
	}
	for _, line := range more {
		b.WriteString(line + "\n")
	}
	return b.String()
}

const plainHeader, plainFormat = "age,weight,sex,outcome", "%d,%d.5,%s,%s"

// file writes a file and returns its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// choose gives files to a field of the page, as a person who has chosen them.
func (b *tab) choose(id string, paths ...string) {
	b.t.Helper()
	await(b.t, "files can be chosen", func() bool {
		return js[bool](b, fmt.Sprintf("document.getElementById(%q)?.offsetParent !== null && document.getElementById('own-state').dataset.step !== ''", id))
	})
	if err := chromedp.Do(b.ctx, chromedp.SetUploadFiles("#"+id, paths)); err != nil {
		b.t.Fatal(err)
	}
}

// step waits for a step of the tab's own data.
func (b *tab) step(want string) {
	b.t.Helper()
	await(b.t, "the data is "+want, func() bool {
		return js[string](b, "document.getElementById('own-state')?.dataset.step ?? ''") == want
	})
}

// A person brings a table: it is looked at, read, kept over a reload, trained on and
// deleted.
func TestOwnTable(t *testing.T) {
	c := serve(t, ownTable())
	b := open(t, c.url())
	b.says("Bring your data to take part")
	b.choose("own-files", file(t, "ward.csv", patients(200, plainHeader, plainFormat)))
	b.step("asking")
	b.press("own-read")
	b.step("ready")
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
}
