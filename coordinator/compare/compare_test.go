package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// votes is an experiment that takes milliseconds.
const votes = `title: Votes
text: Who votes how.
seeds: [1, 2]
parts:
  - name: votes
    title: One model of twelve
    task: anes96-radon
    set: {strategy.models: 1, strategy.min_clients: 12}
    variants:
      mean: {strategy.kind: oneshot, strategy.models: null, strategy.height: null}
      radon:
    grid: {strategy.epochs: [1, 20]}
    target: {test_accuracy: 0.5}
    table: [final_accuracy, rounds_to_target, bytes, worst_tenth]
    figures:
      - {kind: bars, x: strategy.epochs, y: final_accuracy, title: Accuracy}
      - {kind: scatter, x: bytes, y: final_loss, title: Loss}
      - {kind: line, x: round, y: test_loss, title: Rounds}
    expect:
      radon[20].final_accuracy: ">= 0.9 * mean[20].final_accuracy"
`

func parse(t *testing.T, text string) (*File, []*Cell) {
	t.Helper()
	f, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := f.Plan("f.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return f, cells
}

// made runs an experiment and returns what it writes, by file.
func made(t *testing.T, text, cache string, jobs int) (files map[string][]byte, taken int, err error) {
	t.Helper()
	f, cells := parse(t, text)
	r := Runner{Cache: &Cache{Dir: cache, Program: "p"}, Jobs: jobs, Tell: func(p Progress) {
		if p.Taken {
			taken++
		}
	}}
	outcomes, err := r.Run(t.Context(), cells)
	if err != nil {
		t.Fatal(err)
	}
	report, err := f.Assemble(t.Context(), outcomes)
	if err != nil {
		t.Fatal(err)
	}
	report.Name, report.Command, report.Program, report.Machine = "votes", "coordinator compare f.yaml", "fedtab", "a machine"
	dir := t.TempDir()
	if err := report.Write(dir); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, taken, report.Err()
}

// What an experiment writes does not depend on how many cells are computed side by side, nor
// on which were made before.
func TestSameAgain(t *testing.T) {
	cache := t.TempDir()
	first, taken, err := made(t, votes, cache, 1)
	if err != nil || taken != 0 {
		t.Fatalf("%d cells were taken from an empty cache, error %v", taken, err)
	}
	for _, name := range []string{"votes.md", "votes.csv", "votes.json", "votes/votes.svg", "votes/votes2.png", "votes/votes3.svg"} {
		if len(first[name]) == 0 {
			t.Errorf("there is no %s", name)
		}
	}
	for _, words := range []string{"# Votes", "Who votes how.", "| mean | 1 |", "holds: `radon[20].final_accuracy", "(votes/votes.svg)", "Seeds 1, 2."} {
		if !bytes.Contains(first["votes.md"], []byte(words)) {
			t.Errorf("the page lacks %q:\n%s", words, first["votes.md"])
		}
	}
	same := func(what string, files map[string][]byte) {
		t.Helper()
		for name := range first {
			if !bytes.Equal(files[name], first[name]) {
				t.Errorf("%s: %s is another", what, name)
			}
		}
	}
	again, taken, _ := made(t, votes, cache, 2)
	if taken != 8 {
		t.Errorf("%d of 8 cells were taken from the cache", taken)
	}
	same("from the cache", again)
	other, taken, _ := made(t, votes, t.TempDir(), 3)
	if taken != 0 {
		t.Errorf("%d cells were taken from another cache", taken)
	}
	same("three side by side", other)
}

// A file of the cache that was cut short is made again, and so is one of other settings.
func TestWords(t *testing.T) {
	for _, test := range []struct {
		spread Spread
		unit   unit
		want   string
	}{
		{Spread{Mean: .96937, Deviation: .00441, Seeds: 3}, percent, "96.94 ± 0.44%"},
		{Spread{Mean: 268000, Deviation: 17320.6, Seeds: 3}, number, "268,000 ± 17,321"},
		{Spread{Mean: 214.53e6, Deviation: 3.09e6, Seeds: 3}, size, "214.5 ± 3.1 MB"},
		{Spread{Mean: 6197, Deviation: .894, Seeds: 3}, size, "6.197 ± 0.001 kB"},
		{Spread{Mean: 12, Seeds: 1}, number, "12"},
		{Spread{Mean: 40.667, Deviation: .5774, Seeds: 2, Lacking: 1}, number, "40.67 ± 0.58 (2 of 3 seeds)"},
		{Spread{Mean: 3.372e-22, Seeds: 1}, number, "3.37e-22"},
		{Spread{Mean: -0.0123456, Seeds: 1}, number, "-0.01235"},
		{Spread{Mean: 0, Seeds: 1}, size, "0 B"},
		{Spread{Mean: 7300, Seeds: 1}, seconds, "2.028 h"},
		{Spread{Mean: 130, Seeds: 1}, seconds, "2.167 min"},
		{spreadOf([]float64{unknown64}), number, "–"},
	} {
		if got := test.spread.cell(test.unit); got != test.want {
			t.Errorf("%+v: %q, want %q", test.spread, got, test.want)
		}
	}
}

// A cell that fails says why; the others go on, and the statement that needs it says that it
// cannot be told.
func TestCellFails(t *testing.T) {
	text := strings.Replace(votes, "      radon:\n", "      radon: {data.source: fashion-mnist, data.dir: /nowhere, data.holdout: null, model: {kind: softmax}}\n", 1)
	files, _, err := made(t, text, t.TempDir(), 2)
	if err == nil || !strings.Contains(err.Error(), `part votes, line 20: "radon[20].final_accuracy >= 0.9 * mean[20].final_accuracy" cannot be told: final_accuracy of radon is not known for 2 of 2 seeds`) {
		t.Errorf("error %v", err)
	}
	for _, words := range []string{"votes radon[20], seed 2 ended early: task anes96-radon:", "/nowhere", "| mean | 20 | 9"} {
		if !bytes.Contains(files["votes.md"], []byte(words)) {
			t.Errorf("the page lacks %q:\n%s", words, files["votes.md"])
		}
	}
}

// An experiment that is interrupted goes on from what its simulations had done.
// A statement that does not hold is an error with its line and both figures.
func TestDoesNotHold(t *testing.T) {
	files, _, err := made(t, strings.Replace(votes, ">= 0.9 *", "> 2 *", 1), t.TempDir(), 2)
	if err == nil || !strings.HasPrefix(err.Error(), `part votes, line 20: "radon[20].final_accuracy > 2 * mean[20].final_accuracy" does not hold: 0.`) {
		t.Errorf("error %v", err)
	}
	if !bytes.Contains(files["votes.md"], []byte("**does not hold**")) {
		t.Error("the page does not say so")
	}
}

// What is wrong with a file is told with its line, and what would be right.
func TestRefuses(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"an unknown field", "title: Votes", "titel: Votes", "f.yaml:1: unknown field \"titel\", did you mean title?"},
		{"an unknown field of a part", "    target:", "    targett:", "f.yaml:13: unknown field \"targett\", did you mean target?"},
		{"no parts", votes[strings.Index(votes, "parts:"):], "", "f.yaml: has no parts"},
		{"nothing", votes, "", "f.yaml: is empty, want parts:"},
		{"two documents", "title: Votes", "title: Votes\n---\nparts: []", "f.yaml: has a second YAML document"},
		{"a path that no task has", "strategy.epochs: [1, 20]", "strategy.epoch: [1, 20]", "strategy.epoch"},
		{"a value that no task takes", "[1, 20]", "[1, -20]", "strategy.epochs is -20"},
		{"no values", "[1, 20]", "[]", "grid: strategy.epochs has no values"},
		{"a variant with another name", "      mean:", "      Mean-1:", `variant "Mean-1", want a name`},
		{"an unknown measure", "bytes, worst_tenth", "byte, worst_tenth", `"byte" is no measure, want one of abandoned, `},
		{"a target that is none", "test_accuracy: 0.5", "accuracy: 0.5", "target: accuracy is no figure of rounds, want one of"},
		{"a target that is missing", "    target: {test_accuracy: 0.5}\n", "", "rounds_to_target needs a target"},
		{"a search by the test set", "    table:", "    best: {over: strategy.epochs, by: final_accuracy}\n    table:", "part votes: best: by is final_accuracy, want a measure of the validation set, such as by: final_validation_accuracy with data.validation: 0.1 in set"},
		{"a search by a target on the test set", "    table:", "    best: {over: strategy.epochs, by: rounds_to_target}\n    table:", "by is rounds_to_target, want a measure of the validation set, such as by: best_validation_loss with"},
		{"a search where the test set reaches a target", "    table:", "    best: {over: strategy.epochs, by: validation_loss_at_target}\n    table:", "by is validation_loss_at_target, want a measure of the validation set"},
		{"a search by the test loss at a target", "    table:", "    best: {over: strategy.epochs, by: loss_at_target}\n    table:", "such as by: validation_loss_at_target with"},
		{"a search without a validation set", "    figures:\n      - {kind: bars, x: strategy.epochs, y: final_accuracy, title: Accuracy}", "    best: {over: strategy.epochs, by: best_validation_loss}\n    figures:\n      - {kind: bars, y: final_accuracy}", "f.yaml: part votes: best: by is best_validation_loss, and mean has no validation set: want data.validation in set, such as data.validation: 0.1"},
		{"a figure over what is searched", "    table:", "    best: {over: strategy.epochs, by: best_validation_loss}\n    table:", `figure votes: x is "strategy.epochs", want another`},
		{"a seed twice", "seeds: [1, 2]", "seeds: [1, 1]", "seeds has one twice"},
		{"another kind of figure", "kind: bars", "kind: pie", `kind is "pie", want line, bars, scatter or heat`},
		{"a heat map of nothing", "kind: bars, x: strategy.epochs, y: final_accuracy", "kind: heat, x: variants, y: strategy.epochs, z: final_loss", `x is "variants", want a path of the grid, or variant`},
		{"a figure of nothing", "x: bytes, y: final_loss", "x: bites, y: final_loss", `x is "bites", want a path of the grid or a measure`},
		{"a task that is not there", "task: anes96-radon", "task: anes", `anes`},
		{"a study that is not there", "    task: anes96-radon\n", "    study: dice\n", `study is "dice", want one of inversion, lambda, members_hidden, members_noise, members_single, members_sums, mixing, surface`},
		{"no statement", `">= 0.9 * mean[20].final_accuracy"`, `"0.9"`, "f.yaml:20: expect:"},
		{"a statement of no variant", "* mean[20]", "* median[20]", "there is no variant median, want one of mean, radon"},
		{"a statement without the grid", "* mean[20]", "* mean", "mean needs the values of strategy.epochs in brackets, such as mean[1].final_accuracy"},
		{"a statement of another value", "* mean[20]", "* mean[21]", "strategy.epochs has no value 21, want one of 1, 20"},
		{"a statement of no measure", "* mean[20].final_accuracy", "* mean[20].luck", "luck is no measure, want one of"},
		{"a value twice", "[1, 20]", "[1, 20, 20.0]", "grid: strategy.epochs has 20 twice"},
		{"a path of the grid that is set", "{strategy.models: 1,", "{strategy.epochs: 3, strategy.models: 1,", "strategy.epochs is in the grid and in set, want it in one of them"},
		{"a path of the grid in a variant", "mean: {", "mean: {strategy.epochs: 3, ", "strategy.epochs is in the grid and in variant mean, want it in one of them"},
		{"a seed that is set", "{strategy.models: 1,", "{seed: 3, strategy.models: 1,", "seed is set, want seeds: [...]"},
		{"too many simulations", "[1, 20]", "[" + strings.TrimSuffix(numbers(3000), ", ") + "]", "has more than 10000 simulations"},
		{"a value by an anchor", "[1, 20]", "[&a 1, *a]", "grid: a value of strategy.epochs refers to an anchor, want the value itself"},
		{"limits the wrong way round", "kind: bars,", "kind: bars, y_min: 0.9, y_max: 0.5,", "y_min is 0.9 and y_max 0.5, want y_min < y_max"},
		{"no limit", "kind: bars,", "kind: bars, y_min: .nan,", "y_min is NaN, want a finite number"},
		{"no target", "test_accuracy: 0.5", "test_accuracy: .inf", "target: test_accuracy is +Inf, want a finite number"},
		{"a keyword", "      mean:", "      default:", `variant "default", want another name`},
		{"a number of seeds", "seeds: [1, 2]", "seeds: 3", "f.yaml:3: 3 is there, want a list, such as [3]"},
		{"two statements in one", "* mean[20].final_accuracy", "* mean[20].final_accuracy && 1 > 0", "is two statements, want a line for each"},
		{"values in quotes of their own", "mean[20].final", `mean[20, \"x-y\"].final`, `go into one pair of quotes, all of them: radon["median, sign-flip"]`},
		{"a statement by a program", "* mean[20].final_accuracy", "* exit(1)", "cannot be computed, want numbers, variant.measure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(votes, test.old, test.new, 1)
			if text == votes {
				t.Fatal("nothing was replaced")
			}
			f, err := Parse("f.yaml", []byte(text))
			if err == nil {
				_, err = f.Plan("f.yaml")
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// numbers writes the numbers up to n, with commas.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d, ", i+1)
	}
	return b.String()
}

// What lies in the cache and is not the cell's is made again: another cell's result, and a
// checkpoint that is damaged.
// A heat map has a square for each variant and value of the grid, in the file's order.
func TestHeat(t *testing.T) {
	text := strings.Replace(votes, "kind: bars, x: strategy.epochs, y: final_accuracy", "kind: heat, x: strategy.epochs, y: variant, z: final_accuracy", 1)
	f, _ := parse(t, text)
	p := f.Parts[0]
	row := func(variant, epochs string, accuracy float64) *Row {
		return &Row{Variant: variant, Grid: []string{epochs}, given: map[string][]float64{"final_accuracy": {accuracy}}}
	}
	g := p.draw([]*Row{row("mean", "1", .5), row("mean", "20", .8), row("radon_late", "1", .6), row("radon_late", "20", .7)})[0].Heat
	if want := []string{"1", "20"}; !slices.Equal(g.X, want) {
		t.Errorf("columns %v, want %v", g.X, want)
	}
	if want := []string{"mean", "radon late"}; !slices.Equal(g.Y, want) {
		t.Errorf("lines %v, want %v", g.Y, want)
	}
	for i, want := range [][]float64{{50, 80}, {60, 70}} {
		if !slices.Equal(g.Z[i], want) {
			t.Errorf("line %d: %v, want %v", i, g.Z[i], want)
		}
	}
}

// The settings of a simulation are those of its part and its own, and none is told twice.
func TestSettings(t *testing.T) {
	files, _, err := made(t, votes, t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	var told struct {
		Parts []struct{ Settings map[string]string }
		Cells []struct {
			Variant  string
			Settings map[string]string
		}
	}
	if err := json.Unmarshal(files["votes.json"], &told); err != nil {
		t.Fatal(err)
	}
	_, cells := parse(t, votes)
	for i, c := range cells {
		got := maps.Clone(told.Parts[0].Settings)
		for path, value := range told.Cells[i].Settings {
			if _, twice := got[path]; twice {
				t.Errorf("%s: %s is told twice", c, path)
			}
			got[path] = value
		}
		if want := c.Task.Settings(); !maps.Equal(got, want) {
			t.Errorf("%s: settings %v, want %v", c, got, want)
		}
	}
}

// A search tells of the best value of one path, by the mean over the seeds.
func TestBest(t *testing.T) {
	text := strings.NewReplacer("    table:", "    best: {over: strategy.epochs, by: final_validation_accuracy}\n    table:", "strategy.min_clients: 12}", "strategy.min_clients: 12, data.validation: 0.2}", "radon[20]", "radon", "mean[20]", "mean",
		"kind: bars, x: strategy.epochs", "kind: bars").Replace(votes)
	files, _, err := made(t, text, t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if page := string(files["votes.md"]); !strings.Contains(page, "best `strategy.epochs`") || strings.Count(page, "\n| mean |") != 1 {
		t.Errorf("the page:\n%s", page)
	}
}

// Equal cells, by one name and another, are computed once, also side by side.
// A search in which no value has its measure chooses none, and statements say so.
func TestBestOfNone(t *testing.T) {
	text := strings.NewReplacer("    table:", "    best: {over: strategy.epochs, by: rounds_to_target}\n    table:", "radon[20]", "radon", "mean[20]", "mean",
		"kind: bars, x: strategy.epochs", "kind: bars", "{test_accuracy: 0.5}", "{validation_accuracy: 1.0}", "{strategy.models: 1,", "{data.validation: 0.2, strategy.models: 1,",
		"kind: bars, y: final_accuracy", "kind: bars, y: bytes").Replace(votes)
	f, _ := parse(t, text)
	p := f.Parts[0]
	rows := p.choose([]*Row{{Variant: "mean", Grid: []string{"1"}, measured: []*measured{nil, nil}}, {Variant: "mean", Grid: []string{"20"}, measured: []*measured{nil, nil}}})
	if len(rows) != 1 || rows[0].Chosen != "none" {
		t.Errorf("%d rows, the first has chosen %q, want none", len(rows), rows[0].Chosen)
	}
	for _, v := range p.judge(rows) {
		if v.Why == "" {
			t.Errorf("%s: holds %v, want that it cannot be told", v.Text, v.Holds)
		}
	}
}

func TestStatements(t *testing.T) {
	of := func(variant string, grid []string, measure string) ([]float64, error) {
		if measure == "lost" {
			return []float64{1, math.NaN()}, nil
		}
		return map[string][]float64{"a": {1, 3}, "b": {4}, "c[-1 x]": {8}}[variant+bracket(grid)], nil
	}
	for _, test := range []struct {
		text  string
		holds bool
		why   string
	}{
		{"a.m >= 2", true, ""},
		{"a.m > 2", false, ""},
		{"least(a.m) < 2", true, ""},
		{"most(a.m) <= 3", true, ""},
		{"deviation(a.m) > 1.41", true, ""},
		{"b.m / 2 - 1 < a.m * (1 + .1)", true, ""},
		{`c["-1, x"].m >= max(a.m, b.m)`, true, ""},
		{"c[-1, x].m >= 8", true, ""},
		{"-abs(a.m - b.m) >= min(0, -1)", false, ""},
		{"a.lost > 0", false, "lost of a is not known for 1 of 2 seeds"},
		{"d.m > 0", false, "m of d is not known for 0 of 0 seeds"},
	} {
		s, err := parseStatement(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if v := s.judge(of); v.Holds != test.holds || v.Why != test.why {
			t.Errorf("%s: %+v", test.text, v)
		}
	}
	for _, text := range []string{"", "a.m", "a.m == 1", "a.m >", "1; 2", "a.m >= 1 && b.m >= 1"} {
		if s, err := parseStatement(text); err == nil {
			t.Errorf("%q is taken for %+v", text, s)
		}
	}
}

func bracket(grid []string) string {
	if grid == nil {
		return ""
	}
	return "[" + strings.Join(grid, " ") + "]"
}

// A folder that cannot be written is told, and what is done stays in the cache.
func TestMeasures(t *testing.T) {
	m := &measured{points: []point{{round: 1, testAccuracy: .5, bytes: 10}, {round: 2, testAccuracy: unknown64, bytes: 20}, {round: 3, testAccuracy: .8, bytes: 30, bytesUp: 3}, {round: 4, testAccuracy: .7, bytes: 40},
		{round: 5, testAccuracy: .8, bytes: 50}, {round: 6, testAccuracy: .9, bytes: 60}, {round: 7, testAccuracy: .9, bytes: 70}, {round: 8, testAccuracy: unknown64, bytes: 80}}, target: &target{"test_accuracy", .8}}
	for name, want := range map[string]float64{"final_accuracy": .9, "best_accuracy": .9, "rounds_to_target": 3, "bytes_to_target": 30, "bytes_up_to_target": 3, "smooth_rounds_to_target": 7, "accuracy_at_target": .8, "smooth_accuracy": .82} {
		if got := measures[name].of(m); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	m.points = append(m.points, point{round: 9, testAccuracy: .85, testLoss: .3}, point{round: 10, testAccuracy: .86, testLoss: .4})
	for i := range m.points[:8] {
		m.points[i].testLoss = unknown64
	}
	for name, want := range map[string]float64{"final_accuracy": .86, "best_accuracy": .9, "final_loss": .4, "best_loss": .3} {
		if got := measures[name].of(m); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	v := &measured{points: []point{
		{round: 1, testAccuracy: .9, testLoss: 3, validationAccuracy: .5, validationLoss: 5, validationRMSE: 7},
		{round: 2, testAccuracy: .6, testLoss: 2, validationAccuracy: .8, validationLoss: 2, validationRMSE: 5},
		{round: 3, testAccuracy: .7, testLoss: 1, validationAccuracy: .8, validationLoss: 1, validationRMSE: 6},
		{round: 4, testAccuracy: unknown64, testLoss: unknown64, validationAccuracy: unknown64, validationLoss: unknown64, validationRMSE: unknown64},
	}, target: &target{"validation_accuracy", .7}}
	for name, want := range map[string]float64{
		"final_validation_accuracy": .8, "best_validation_accuracy": .8, "final_validation_loss": 1, "best_validation_loss": 1, "final_validation_rmse": 6, "best_validation_rmse": 5,
		"validation_accuracy_at_target": .8, "validation_loss_at_target": 2, "accuracy_at_target": .6, "rounds_to_target": 2, "accuracy_at_best": .6, "loss_at_best": 2,
	} {
		if got := measures[name].of(v); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for i := range v.points { // numbers are predicted
		v.points[i].validationAccuracy = unknown64
	}
	if got := measures["loss_at_best"].of(v); got != 1 {
		t.Errorf("loss_at_best of numbers: %v, want 1", got)
	}
	if got := measures["accuracy_at_best"].of(&measured{points: []point{{testAccuracy: .5, validationAccuracy: unknown64, validationLoss: unknown64}}}); !math.IsNaN(got) {
		t.Errorf("accuracy_at_best without a validation set: %v", got)
	}
	m.target.value = .95
	if got := measures["rounds_to_target"].of(m); !math.IsNaN(got) {
		t.Errorf("a target that is not reached: %v", got)
	}
}

// A seed that set: fixes is the same in all cells, whose own seed varies the others.
func TestFixedSeed(t *testing.T) {
	_, cells := parse(t, "seeds: [1, 2, 3]\nparts: [{name: a, task: anes96, set: {seeds.data: 5}}]")
	for _, c := range cells {
		if c.Task.DataSeed() != 5 || c.Task.StartSeed() != c.Seed || c.Task.SamplingSeed() != c.Seed {
			t.Errorf("%v: seeds of data, start and sampling are %d, %d, %d", c, c.Task.DataSeed(), c.Task.StartSeed(), c.Task.SamplingSeed())
		}
	}
	if len(cells) != 3 {
		t.Errorf("%d cells, want 3", len(cells))
	}
}

// docs/experiments.md names every measure and every column.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/experiments.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(measureNames(), columnNames()...) {
		if !bytes.Contains(text, []byte("`"+name+"`")) {
			t.Errorf("docs/experiments.md lacks %s", name)
		}
	}
}

// Every experiment that ships is in the documents' table, and has its page, which was made with
// the seeds that it has now.
func TestExperimentsHavePages(t *testing.T) {
	files, err := filepath.Glob("../../experiments/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	table, err := os.ReadFile("../../docs/experiments.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if row := fmt.Sprintf("| [%s](experiments/%s.md) |", name, name); !bytes.Contains(table, []byte(row)) {
			t.Errorf("docs/experiments.md has no row %s", row)
		}
		page, err := os.ReadFile("../../docs/experiments/" + name + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(page, []byte(seedWords(file))) {
			t.Errorf("the page of %s was not made with its seeds: it lacks %q", name, seedWords(file))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(votes))
	f.Add([]byte("parts: [{name: a, study: surface}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if f, err := Parse("f", text); err == nil && len(f.Parts) == 0 {
			t.Error("a file without parts is taken")
		}
	})
}

// Values of the grid are parted at commas, and lists and sections are whole.
func TestSplitValues(t *testing.T) {
	for text, want := range map[string][]string{
		"20":                            {"20"},
		"0.1, sign-flip":                {"0.1", "sign-flip"},
		"{kind: iid, clients: 10}":      {"{kind: iid, clients: 10}"},
		"[200, 100], {kind: iid, a: 1}": {"[200, 100]", "{kind: iid, a: 1}"},
		"":                              {""},
	} {
		if got := splitValues(text); !slices.Equal(got, want) {
			t.Errorf("%q is parted into %q, want %q", text, got, want)
		}
	}
}
