package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"fedtab/coordinator/records"
	"fedtab/coordinator/store"
	"fedtab/learn"
	"fedtab/run"
)

// promtool runs a command of Prometheus' tool.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	c := exec.Command("promtool", args...)
	c.Stdin = bytes.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v (run make browsers if there is none)\n%s", strings.Join(args, " "), err, out)
	}
}

// The alerts fire where they should and nowhere else, as their own tests say.
func TestAlerts(t *testing.T) {
	promtool(t, nil, "check", "rules", "../docs/operating/alerts.yaml")
	promtool(t, nil, "test", "rules", "../docs/operating/alerts_test.yaml")
	var f struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	text, err := os.ReadFile("../docs/operating/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("../docs/operating/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Groups[0].Rules {
		if n := strings.Count(string(tests), "alertname: "+r.Alert); n < 2 {
			t.Errorf("%s is tested %d times, want where it fires and where it does not", r.Alert, n)
		}
	}
}

// Prometheus can read every expression of the dashboard, and what the coordinator serves.
func TestPrometheus(t *testing.T) {
	var d struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	b, err := os.ReadFile("../docs/operating/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			rules = append(rules, rule{"panel:" + strconv.Itoa(len(rules)), strings.NewReplacer("$__rate_interval", "5m", "$task", "t", "$run", "r").Replace(target.Expr)})
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, nil, "check", "rules", "--lint=none", file)

	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	serve(t, digits(), "--admin-addr", admin)
	r, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var metrics bytes.Buffer
	if _, err := metrics.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	promtool(t, metrics.Bytes(), "check", "metrics")
}

// The unit is one that systemd takes.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd here")
	}
	b, err := os.ReadFile("../docs/operating/fedtab.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "fedtab.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(b, []byte("/usr/local/bin/coordinator"), []byte(binary)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit).CombinedOutput(); err != nil {
		t.Errorf("docs/operating/fedtab.service is exposed by more than 2.0: %v\n%s", err, out)
	}
}

// TensorBoard's event files are read by programs that are not ours.
func TestTensorBoard(t *testing.T) {
	s, err := store.Open(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.UnixMilli(1_772_366_400_250)
	r := store.Run{ID: "digits-1", Task: "digits", Created: at}
	first := run.Commit{Round: 1, Params: make([]float32, 10), TrainLoss: .5, Weight: 600, Committed: at.Add(time.Second), Traffic: run.Traffic{Up: 1 << 40, Down: 7}}
	if err := s.CreateRunFrom(r, hashed(first), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Evaluate(r.ID, run.Evaluation{Version: 1, Figures: learn.Figures{Examples: 100, Loss: .25, Accuracy: .75}}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := (records.File{Run: r, Table: "rounds", Format: "tensorboard"}).Write(file, s); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("node", "tfevents/read.mjs", file.Name()).CombinedOutput()
	if err != nil {
		t.Fatalf("read.mjs: %v (run make browsers if packages are missing)\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 || lines[0] != `{"step":0,"wall":1772366400.25,"version":"brain.Event:2"}` {
		t.Fatalf("%d events, want 2, the first one with the version:\n%s", len(lines), out)
	}
	var e struct {
		Step   int
		Wall   float64
		Values map[string]float64
	}
	if err := json.Unmarshal([]byte(lines[1]), &e); err != nil {
		t.Fatal(err)
	}
	if e.Step != 1 || e.Wall != 1772366401.25 {
		t.Errorf("step %d at %v, want 1 at 1772366401.25", e.Step, e.Wall)
	}
	for tag, want := range map[string]float64{"train/loss": .5, "test/loss": .25, "test/accuracy": .75, "bytes/up": 1 << 40, "bytes/down": 7, "examples": 600} {
		if e.Values[tag] != want {
			t.Errorf("%s is %v, want %v", tag, e.Values[tag], want)
		}
	}
}

// hashed gives a commit the hash of its parameters, which are zeros.
func hashed(c run.Commit) run.Commit {
	c.Hash = sha256.Sum256(make([]byte, 4*len(c.Params)))
	return c
}
