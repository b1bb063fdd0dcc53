package simulate

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/lab"
)

// What the lab's race shows of a scheme is what the simulation makes of the task file that
// the page offers: every number of every round, and the model.
func TestLabIsTheSimulation(t *testing.T) {
	for _, query := range []string{
		"lane1=1", "lane1=2&data=1", "lane1=2&combine=1&liars=4", "lane1=3&skew=0.1&slow=0.3", "lane1=4", "lane1=4&slow=0.5&skew=0.5", "lane1=5&slow=0.3",
		"lane1=6&model=0", "lane1=7", "lane1=8", "lane1=9&model=0", "lane1=9&model=0&data=1&clients=20", "lane1=2&clients=40&seed=7",
	} {
		t.Run(query, func(t *testing.T) {
			m := lab.Find("race").Open("lane2=0&lane3=0&lane4=0&lane5=0&step=150&" + query)
			for m.Work() {
			}
			file := func(action string) string {
				m.Press(action)
				f := m.TakeFile()
				if f == nil {
					t.Fatalf("%s gives no file", action)
				}
				return f.Text
			}
			records := strings.Split(strings.TrimSpace(file(lab.SaveRecords)), "\n")
			rounds := len(records) - 1
			if rounds < 1 {
				t.Fatal("the lab has no round")
			}
			tk, err := task.Parse("lab.yaml", []byte(file(lab.SaveTask)), fmt.Sprintf("stop.rounds=%d", rounds))
			if err != nil {
				t.Fatal(err)
			}
			d, err := dataset.Open(tk)
			if err != nil {
				t.Fatal(err)
			}
			res, err := Run(t.Context(), tk, d, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Rounds) != rounds {
				t.Fatalf("%d rounds, the lab has %d", len(res.Rounds), rounds)
			}
			for i, r := range res.Rounds {
				number := func(x *float64) float64 {
					if x == nil {
						return math.NaN()
					}
					return *x
				}
				want := fmt.Sprintf("%d,%d,%v,%v,%v,%d,%d,%v", r.Round, r.Participants, number(r.TrainLoss), number(r.TestLoss), number(r.TestAccuracy), r.BytesUp, r.BytesDown, r.VirtualSeconds)
				columns := strings.Split(records[i+1], ",")
				got, hash := strings.Join(columns[:len(columns)-2], ","), columns[len(columns)-1]
				if got != want {
					t.Errorf("the lab has %s, want %s", got, want)
				}
				if i == rounds-1 && hash != res.ModelSHA256 {
					t.Errorf("the lab's model is %s, want %s", hash, res.ModelSHA256)
				}
			}
		})
	}
}
