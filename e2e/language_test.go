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
	b.shows("Noch ist niemand da: Mach mit, und das Training beginnt")
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	b.shows("Das Training ist fertig: ")
	b.shows("Genauigkeit im Test nach 2 Runden")
	b.shows("2 Runden fertig")
	b.press("details-fold")
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

// What the worker says of a file is in German too.
func TestGermanTable(t *testing.T) {
	c := serve(t, ownTable())
	b := open(t, c.url()+"t/patients?lang=de")
	b.choose("own-files", file(t, "station.csv", patients(200, patientColumns, patientRow, "old,70.5,f,ill", "30,70.5,f,ill,x")))
	b.step("asking")
	b.shows("Prüfe, wie station.csv verstanden wurde, und lies dann alles ein")
	b.press("own-read")
	b.step("refused")
	b.shows("2 Zeilen von station.csv sind unbrauchbar")
	b.shows(`station.csv: Probleme in 2 von 202 Zeilen. Das erste: Zeile 202: age ist "old", erwartet: eine Zahl von 0 bis 120.`)
	b.shows("5 Werte, erwartet: 4 wie in der ersten Zeile")
	b.shows("2 Zeilen mit Problemen weglassen, 200 nehmen")
	b.press("own-skip")
	b.step("ready")
	b.shows("Bereit: 200 Zeilen aus station.csv; 40 davon prüfen nur das Modell")
	b.shows("In diesem Browser für diese Aufgabe gespeichert")
	if *screenshots != "" {
		b.pictures("21-german-own")
	}
}
