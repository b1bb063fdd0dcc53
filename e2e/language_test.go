package e2e

import (
	"strings"
	"testing"
)

// english are words that English sentences have and German ones have not.
const english = `/\b(the|and|of|with|are|this|from|has|been|to|for|is|it|your|you)\b/`

// germanOnly fails the test for texts of the page that are not in German, those included
// that only screen readers are told.
func (b *tab) germanOnly(when string) {
	b.t.Helper()
	for _, text := range js[[]string](b, `(() => {
		const texts = document.body.innerText.split("\n");
		for (const e of document.querySelectorAll("[aria-label], [title], [alt], [placeholder]")) {
			texts.push(...["aria-label", "title", "alt", "placeholder"].map((name) => e.getAttribute(name) ?? ""));
		}
		return [...new Set(texts)].filter((text) => `+english+`.test(text));
	})()`) {
		b.t.Errorf("%s, the page says %q", when, text)
	}
}

// The page is in German for a reader who chooses it, from the first view to the end.
func TestGerman(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 2", "title: Handwritten digits", "title: {en: Handwritten digits, de: Ziffern}\ndescription: {en: Reads digits, de: Liest Ziffern}"))
	b := open(t, c.url()+"t/digits?lang=de")
	if got := js[string](b, "document.documentElement.lang"); got != "de" {
		t.Fatalf("the page is in %q, want de", got)
	}
	b.shows("Noch ist niemand da: Mach mit, und das Training beginnt")
	b.ready()
	for _, part := range []string{"details-fold", "effort-fold"} {
		b.press(part)
	}
	await(t, "both are unfolded", func() bool {
		return js[string](b, "document.getElementById('effort-fold').getAttribute('aria-expanded')") == "true"
	})
	b.germanOnly("before it joins")
	b.join()
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	b.press("moved-fold")
	b.shows("Beispiele zum Lernen")
	b.germanOnly("while it trains")
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	b.shows("Das Training ist fertig: ")
	b.shows("Genauigkeit im Test nach 2 Runden")
	b.shows("2 Runden fertig")
	b.press("details-fold")
	b.shows("Ausgewogene Genauigkeit ")
	b.shows("bei 10.000 Testbeispielen")
	b.germanOnly("when it is finished")
	if title := js[string](b, "document.title"); !strings.HasPrefix(title, "Das Training ist fertig") {
		t.Errorf("the title is %q", title)
	}
	b.place("progressing")
	await(t, "the chart is in German", func() bool {
		return strings.Contains(js[string](b, "document.getElementById('chart-accuracy').textContent"), "Runde")
	})
	await(t, "the service worker is in charge", func() bool { return js[bool](b, "navigator.serviceWorker.controller !== null") })
	b.again()
	b.shows("Verstehen")
	b.shows("Das Training ist fertig: ")
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
