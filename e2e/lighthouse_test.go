package e2e

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"testing"
)

// lighthouse is what is used of a report of Lighthouse.
type lighthouse struct {
	Categories map[string]struct {
		Score *float64
		Refs  []struct {
			ID     string
			Weight float64
		} `json:"auditRefs"`
	}
	Audits map[string]struct {
		Title string
		Score *float64
		Value float64 `json:"numericValue"`

		Details json.RawMessage
	}
	RuntimeError *struct{ Code, Message string }
}

// rate has Lighthouse rate a page, as a desktop computer or a phone sees it.
func rate(t *testing.T, address string, flags ...string) (r lighthouse) {
	t.Helper()
	chromium, err := chromiumPath()
	if err != nil {
		t.Fatal(err)
	}
	chromeFlags := "--headless=new --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
	if os.Getuid() == 0 {
		chromeFlags += " --no-sandbox"
	}
	cmd := exec.Command("lighthouse/node_modules/.bin/lighthouse", append([]string{
		address, "--output=json", "--quiet", "--only-categories=performance,accessibility", "--no-enable-error-reporting", "--chrome-flags=" + chromeFlags,
	}, flags...)...)
	cmd.Env = append(os.Environ(), "CHROME_PATH="+chromium)
	var log bytes.Buffer
	cmd.Stderr = &log
	endWithTest(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("lighthouse: %v\n%s", err, &log)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if r.RuntimeError != nil {
		t.Fatalf("lighthouse: %s", r.RuntimeError.Message)
	}
	return r
}

// longest is a task of the main thread of over 50 ms, in milliseconds.
type longest struct {
	URL             string
	Start, Duration float64
}

// tasks returns the longest tasks of the main thread, and the scripts that they are of.
func (r *lighthouse) tasks(t *testing.T) []longest {
	t.Helper()
	var details struct {
		Items []struct {
			URL                 string
			StartTime, Duration float64
		}
	}
	if d := r.Audits["long-tasks"].Details; d != nil {
		if err := json.Unmarshal(d, &details); err != nil {
			t.Fatal(err)
		}
	}
	var tasks []longest
	for _, i := range details.Items {
		tasks = append(tasks, longest{i.URL, math.Round(i.StartTime), math.Round(i.Duration)})
	}
	return tasks
}

// Lighthouse rates a task's page (docs/performance.md).
func TestPageLighthouseMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	if _, err := os.Stat("lighthouse/node_modules/.package-lock.json"); err != nil {
		t.Fatal("no Lighthouse: run make lighthouse")
	}
	c := serve(t, watchedTask())
	var m table
	for _, device := range []struct {
		name, goal string
		flags      []string
	}{
		{"desktop", ">= 95", []string{"--preset=desktop"}},
		{"mobile", ">= 85", nil},
	} {
		var performance, accessibility, blocking, first, largest, shift []float64
		failed := map[string]bool{}
		for range loads {
			r := rate(t, c.url(), device.flags...)
			t.Logf("%s: tasks of over 50 ms: %v", device.name, r.tasks(t))
			score := func(category string) float64 {
				if s := r.Categories[category].Score; s != nil {
					return 100 * *s
				}
				t.Fatalf("Lighthouse gives no score for %s", category)
				return 0
			}
			performance, accessibility = append(performance, score("performance")), append(accessibility, score("accessibility"))
			blocking = append(blocking, r.Audits["total-blocking-time"].Value)
			first = append(first, r.Audits["first-contentful-paint"].Value)
			largest = append(largest, r.Audits["largest-contentful-paint"].Value)
			shift = append(shift, r.Audits["cumulative-layout-shift"].Value)
			for _, category := range r.Categories {
				for _, ref := range category.Refs {
					if a := r.Audits[ref.ID]; ref.Weight > 0 && a.Score != nil && *a.Score < .9 && !failed[ref.ID] {
						failed[ref.ID] = true
						t.Logf("%s: %s (%s): %.2f", device.name, a.Title, ref.ID, *a.Score)
					}
				}
			}
		}
		m.add("Lighthouse performance, "+device.name, device.goal, "%.0f", median(performance))
		m.add("Lighthouse accessibility, "+device.name, "100", "%.0f", median(accessibility))
		m.ms("total blocking time, "+device.name, map[string]string{"mobile": "<= 200 ms"}[device.name], blocking)
		m.ms("first contentful paint, "+device.name, "", first)
		m.ms("largest contentful paint, "+device.name, "", largest)
		m.add("cumulative layout shift, "+device.name, "", "%.3f", median(shift))
	}
	m.log(t)
}
