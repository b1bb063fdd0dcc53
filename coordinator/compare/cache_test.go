package compare

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCache(t *testing.T) {
	cache := t.TempDir()
	if _, _, err := made(t, votes, cache, 2); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(files) != 8 {
		t.Fatalf("the cache has %v, error %v", files, err)
	}
	if err := os.Truncate(files[3], 100); err != nil {
		t.Fatal(err)
	}
	if _, taken, err := made(t, votes, cache, 2); taken != 7 || err != nil {
		t.Errorf("%d of 7 cells were taken, error %v", taken, err)
	}
	if _, taken, _ := made(t, strings.Replace(votes, "[1, 20]", "[1, 20, 21]", 1), cache, 2); taken != 8 {
		t.Errorf("%d of 8 cells were taken beside new ones", taken)
	}
	_, cells := parse(t, votes)
	for _, test := range []struct {
		name, program string
		any           bool
		want          int
	}{{"another program", "q", false, 0}, {"the same program again", "q", false, 8}, {"whatever program", "r", true, 8}} {
		taken := 0
		r := Runner{Cache: &Cache{Dir: cache, Program: test.program, Any: test.any}, Jobs: 2, Tell: func(p Progress) {
			if p.Taken {
				taken++
			}
		}}
		outcomes, err := r.Run(t.Context(), cells)
		if err != nil || taken != test.want || outcomes[0].Program != "q" {
			t.Errorf("%s: %d of 8 cells were taken, made by %s, error %v", test.name, taken, outcomes[0].Program, err)
		}
	}
}

func TestInterrupted(t *testing.T) {
	const slow = `parts:
  - name: slow
    task: mnist-2nn
    set: {model.hidden: [16], stop: {rounds: 30}}
    table: [final_accuracy]
`
	cache := t.TempDir()
	_, cells := parse(t, slow)
	ctx, stop := context.WithCancel(t.Context())
	r := Runner{Cache: &Cache{Dir: cache, Program: "p"}, Jobs: 1, Tell: func(p Progress) {
		if !p.Over {
			stop() // after the first round
		}
	}}
	if _, err := r.Run(ctx, cells); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*.resume")); len(left) != 1 {
		t.Fatalf("checkpoints: %v", left)
	}
	rounds := 0
	r = Runner{Cache: r.Cache, Jobs: 1, Tell: func(p Progress) { rounds++ }}
	outcomes, err := r.Run(t.Context(), cells)
	if err != nil || outcomes[0].Result == nil || !outcomes[0].Result.Complete {
		t.Fatalf("gone on: %+v, %v", outcomes[0], err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) != 1 {
		t.Errorf("the cache has %v", left)
	}
	whole := Runner{Cache: &Cache{Dir: t.TempDir(), Program: "p"}, Jobs: 1}
	want, err := whole.Run(t.Context(), cells)
	if err != nil || want[0].Result.ModelSHA256 != outcomes[0].Result.ModelSHA256 {
		t.Errorf("another model than in one go, error %v", err)
	}
}

func TestCacheOfOthers(t *testing.T) {
	cache := t.TempDir()
	want, _, err := made(t, votes, cache, 2)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(cache, "*.json"))
	if err != nil || len(kept) < 2 {
		t.Fatal(kept, err)
	}
	other, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept[1], other, 0o600); err != nil {
		t.Fatal(err)
	}
	last := kept[len(kept)-1]
	for _, err := range []error{os.Remove(last), os.WriteFile(strings.TrimSuffix(last, ".json")+".resume", bytes.Repeat([]byte("no database "), 1000), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, taken, err := made(t, votes, cache, 2)
	if err != nil {
		t.Fatal(err)
	}
	if taken != len(kept)-2 {
		t.Errorf("%d cells were taken of %d, want all but two", taken, len(kept))
	}
	if !bytes.Equal(got["votes.json"], want["votes.json"]) {
		t.Error("other results")
	}
}

func TestEqualCells(t *testing.T) {
	text := strings.NewReplacer("      radon:\n", "      radon:\n      again:\n      same: {strategy.batch: 10}\n").Replace(votes)
	cache := t.TempDir()
	files, taken, err := made(t, text, cache, 4)
	if err != nil {
		t.Fatal(err)
	}
	if taken != 8 {
		t.Errorf("%d cells were taken from the cache, want the 8 that are equal to another", taken)
	}
	table := string(files["votes.md"])
	for _, name := range []string{"again", "same"} {
		if !strings.Contains(table, "| "+name+" | 20 |") {
			t.Errorf("%s is not in the table:\n%s", name, table)
		}
	}
}

func TestNoRoom(t *testing.T) {
	f, cells := parse(t, votes)
	cache := &Cache{Dir: t.TempDir(), Program: "p"}
	outcomes, err := (&Runner{Cache: cache, Jobs: 2}).Run(t.Context(), cells)
	if err != nil {
		t.Fatal(err)
	}
	report, err := f.Assemble(t.Context(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	report.Name = "votes"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := report.Write(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	if err := os.RemoveAll(cache.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Runner{Cache: cache, Jobs: 2}).Run(t.Context(), cells); err == nil || !strings.Contains(err.Error(), cache.Dir) {
		t.Errorf("without a folder for the cache: %v", err)
	}
}
