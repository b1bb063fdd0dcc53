package web

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"

	"go.yaml.in/yaml/v3"
)

// scraped returns the names of all metrics that a coordinator serves, those of a run that
// predicts classes and numbers at once included, on a node of a cluster.
func scraped(t *testing.T) map[string]bool {
	t.Helper()
	st, _ := testStudy(t)
	st.Role = func() string { return "owner" }
	admin := httptest.NewServer(NewAdmin(NewStudies(st), hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler)), new(quota.Proxies), "", testAdmin(t)))
	defer admin.Close()
	testState = run.State{Phase: protocol.PhaseTraining, Evaluated: &run.Evaluation{Figures: learn.Figures{Loss: 1, Accuracy: 1, BalancedAccuracy: 1, F1: 1, RMSE: 1, MAE: 1, R2: 1}}}
	defer func() { testState = run.State{} }()
	_, b := get(t, admin.URL+"/metrics")
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) `).FindAllSubmatch(b, -1) {
		names[string(m[1])] = true
	}
	if len(names) < 50 {
		t.Fatalf("%d metrics, want all", len(names))
	}
	return names
}

func operating(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// docs/operating.md says of every metric of fedtab's what to do when it moves, and of no other.
func TestMetricsOperated(t *testing.T) {
	_, rest, ok := strings.Cut(operating(t, "operating.md"), "\n### When a metric moves\n")
	if !ok {
		t.Fatal(`docs/operating.md has no section "When a metric moves"`)
	}
	text, _, _ := strings.Cut(rest, "\n#")
	documented, served := firstCells(text), scraped(t)
	for _, name := range slices.Sorted(maps.Keys(served)) {
		if strings.HasPrefix(name, "fedtab_") && !documented[name] {
			t.Errorf("metric %s is served and not in docs/operating.md", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !served[name] {
			t.Errorf("metric %s is in docs/operating.md and not served", name)
		}
	}
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && (len(cells) != 3 || len(cells[2]) < 10) {
			t.Errorf("docs/operating.md does not say what to do: %s", line)
		}
	}
}

// Every expression of the dashboard and of the alerts names metrics that are served, and all of
// fedtab's are on the dashboard.
func TestExpressionsNameMetrics(t *testing.T) {
	served := scraped(t)
	served["up"] = true // Prometheus' own
	shown := map[string]bool{}
	for _, expr := range append(dashboard(t), alerts(t)...) {
		names := metricsOf(expr)
		if len(names) == 0 {
			t.Errorf("%s names no metric", expr)
		}
		for _, name := range names {
			shown[name] = true
			if !served[name] {
				t.Errorf("%s: metric %s is not served", expr, name)
			}
		}
	}
	for name := range served {
		if strings.HasPrefix(name, "fedtab_") && !shown[name] {
			t.Errorf("metric %s is neither on the dashboard nor in an alert", name)
		}
	}
}

// metricsOf returns the names of metrics in an expression of PromQL: words outside of labels,
// durations and texts, which are no functions or keywords.
func metricsOf(expr string) (names []string) {
	expr = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|(by|on|without|group_left) \([^)]*\)`).ReplaceAllString(expr, " ")
	for _, m := range regexp.MustCompile(`\b[a-z_][a-z0-9_]*\b(\s*\()?`).FindAllStringSubmatch(expr, -1) {
		if name := m[0]; m[1] == "" && !slices.Contains([]string{"and", "or", "unless", "sum", "max", "min"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// dashboard returns the expressions of docs/operating/grafana.json.
func dashboard(t *testing.T) (all []string) {
	t.Helper()
	var d struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(operating(t, "operating/grafana.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d (%s) has no number, title or expression of its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if m := regexp.MustCompile(`^label_values\((\w+)`).FindStringSubmatch(v.Definition); m != nil {
			all = append(all, m[1])
		} else if v.Definition != "" {
			t.Errorf("variable %s has the definition %s, want label_values", v.Name, v.Definition)
		}
	}
	return all
}

// alerts returns the expressions of docs/operating/alerts.yaml.
func alerts(t *testing.T) (all []string) {
	t.Helper()
	var f struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(operating(t, "operating/alerts.yaml")), &f); err != nil {
		t.Fatal(err)
	}
	page := operating(t, "operating.md")
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			all = append(all, r.Expr)
			if !strings.Contains(page, "`"+r.Alert+"`") {
				t.Errorf("docs/operating.md does not say what to do at %s", r.Alert)
			}
		}
	}
	return all
}
