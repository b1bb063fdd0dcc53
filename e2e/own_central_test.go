package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
)

// blurred are rows of the table of ownTable, as header and format have them: age, weight
// and noise tell who is ill. Numbers have a decimal comma where format has semicolons.
func blurred(n int, seed uint64, header, format string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	random := rand.New(rand.NewPCG(seed, 14))
	for range n {
		age, weight, outcome := 18+70*random.Float64(), 45+70*random.Float64(), "healthy"
		if (age-53)/20+(weight-80)/25+.6*random.NormFloat64() > .3 {
			outcome = "ill"
		}
		numbers := []string{fmt.Sprintf("%.3f", age), fmt.Sprintf("%.2f", weight)}
		if strings.Contains(format, ";") {
			for i := range numbers {
				numbers[i] = strings.Replace(numbers[i], ".", ",", 1)
			}
		}
		fmt.Fprintf(&b, format+"\n", numbers[0], numbers[1], []string{"f", "m"}[random.IntN(2)], outcome)
	}
	return b.String()
}

// Two tabs and a participant without a browser have unequal files of one table, one of them
// with other separators, another order of columns and decimal commas. The model is as good,
// within a percentage point, as one that is trained on all rows in one place.
func TestOwnEqualsCentral(t *testing.T) {
	const plain = "%s,%s,%s,%s"
	sizes := []int{700, 400, 150}
	ward := ownTable("standardise: local", "standardise: federated", "min_clients: 1", "min_clients: 3", "lr: 0.3", "lr: 0.05", "rounds: 4", "rounds: 12")
	c := serve(t, ward)
	paths := []string{
		file(t, "north.csv", blurred(sizes[0], 1, patientColumns, plain)),
		file(t, "south.csv", blurred(sizes[1], 2, "outcome;sex;weight;age", "%[4]s;%[3]s;%[2]s;%[1]s")),
		file(t, "west.csv", blurred(sizes[2], 3, patientColumns, plain)),
	}
	for _, path := range paths[:2] {
		b := open(t, c.url())
		b.choose("own-files", path)
		b.press("own-read")
		b.step("ready")
		b.press("join")
	}
	command(t, "client", "--url", c.url(), "--data", paths[2])
	await(t, "the run is finished", func() bool { return c.state("patients").Phase == "finished" })

	answer, err := http.Get(c.url() + "api/tasks/patients/models/newest.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	model, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("the model: %s, %v", answer.Status, err)
	}
	test := blurred(5000, 4, patientColumns, plain)
	said := command(t, "predict", "--model", file(t, "model.safetensors", string(model)), "--data", file(t, "test.csv", test))
	figure := regexp.MustCompile(`accuracy ([0-9.]+)`).FindStringSubmatch(said)
	if figure == nil {
		t.Fatalf("predict prints no accuracy: %s", said)
	}
	got, err := strconv.ParseFloat(figure[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	all := patientColumns + "\n"
	for i, n := range sizes {
		_, rows, _ := strings.Cut(blurred(n, uint64(i+1), patientColumns, plain), "\n")
		all += rows
	}
	want := central(t, ward, all, test)
	t.Logf("accuracy %.2f%%, of the central learner %.2f%%", got, want)
	if math.Abs(got-want) > 1 || want < 80 {
		t.Errorf("accuracy %.2f%%, want the %.2f%% of the central learner within a point", got, want)
	}
}

// command runs the coordinator's binary and returns what it prints.
func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	endWithTest(cmd)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("coordinator %s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	return string(out) + errs.String()
}

// central trains on all rows in one place, and returns the accuracy in per cent on the rows
// of test.
func central(t *testing.T, text, all, test string) float64 {
	t.Helper()
	path := file(t, "task.yaml", text)
	tk, err := task.Find(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := tk.Data.Schema()
	read := func(csv string) *data.Own {
		rows, err := data.ReadOwn(strings.NewReader(csv), "rows", s, data.OwnCSV{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := rows.Own(1, false)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	o := read(all)
	constants := o.Scaled()
	train, err := o.Train(constants)
	if err != nil {
		t.Fatal(err)
	}
	m, err := learn.New(tk.Model.Spec(s.Shape(), len(s.Classes()), 1))
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	fit := learn.NewFit(m)
	if err := fit.Start(params, train, learn.FitConfig{Epochs: 24, Batch: 10, LR: .05, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		if done, err = fit.Run(1000); err != nil {
			t.Fatal(err)
		}
	}
	right, tested := 0., read(test)
	for _, part := range []func(data.Constants) (data.Examples, error){tested.Train, tested.Test} {
		x, err := part(constants)
		if err != nil {
			t.Fatal(err)
		}
		figures, err := learn.Evaluate(m, params, x, 2)
		if err != nil {
			t.Fatal(err)
		}
		right += figures.Figures().Accuracy * float64(x.Len())
	}
	return 100 * right / float64(tested.Len())
}
