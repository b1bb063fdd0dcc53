package e2e

import (
	"strings"
	"testing"
)

// The page is in German for a reader who chooses it, from the first view to the end.
func TestGerman(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 2"))
	b := open(t, c.url()+"t/digits?lang=de")
	if got := js[string](b, "document.documentElement.lang"); got != "de" {
		t.Fatalf("the page is in %q, want de", got)
	}
	b.shows("Noch ist niemand da: mach mit, und das Training beginnt")
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	b.shows("Das Training ist fertig: ")
	b.shows("Genauigkeit im Test nach 2 Runden")
	b.shows("2 Runden fertig")
	b.shows("Ausgewogene Genauigkeit ")
	b.shows("bei 10.000 Testbeispielen")
	if title := js[string](b, "document.title"); !strings.HasPrefix(title, "Das Training ist fertig") {
		t.Errorf("the title is %q", title)
	}
	if text := js[string](b, "document.getElementById('chart-accuracy').textContent"); !strings.Contains(text, "Runde") {
		t.Errorf("the chart says %q", text)
	}
	if *screenshots != "" {
		b.pictures("20-german")
	}
}
