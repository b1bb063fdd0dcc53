package e2e

import (
	"strings"
	"testing"
)

// inBrowsers runs tests at an address of testPages in both browsers.
func inBrowsers(t *testing.T, url string, check func(t *testing.T, output string)) {
	t.Run("Chromium", func(t *testing.T) { check(t, testsInChromium(t, url)) })
	t.Run("Firefox", func(t *testing.T) { check(t, testsInFirefox(t, url)) })
}

// The browsers' cryptography passes the tests that Go's passes, and both agree. A page that is not
// secure has none, and says so.
func TestSecaggInBrowsers(t *testing.T) {
	url := testPages(t, "../wasm/webcrypto")
	passed := func(name string) func(*testing.T, string) {
		return func(t *testing.T, output string) {
			if !strings.Contains(output, "--- PASS: "+name+" ") {
				t.Error(output)
			}
		}
	}
	inBrowsers(t, url+"#(Primitives|Sizes|No|PairMask|Beside|Zeros|Errors|Missing|Attempt)", passed("TestAttempt"))
	t.Run("insecure", func(t *testing.T) {
		passed("TestInsecure")(t, testsInChromium(t, strings.Replace(url, "127.0.0.1", "study.example", 1)+"#Insecure"))
	})
}

// What secure aggregation takes of a round's time in a tab, with 48 neighbours (docs/privacy.md).
func TestSecaggSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	inBrowsers(t, testPages(t, "../wasm/webcrypto")+"#(Client|Stream)Speed$", func(t *testing.T, output string) {
		for line := range strings.Lines(output) {
			if _, figures, found := strings.Cut(line, ": a "); found {
				t.Log(strings.TrimSpace(figures))
			}
		}
	})
}
