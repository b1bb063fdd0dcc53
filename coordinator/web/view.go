package web

import (
	"strconv"
	"strings"

	"fedtab/coordinator/account"
	"fedtab/learn"
	"fedtab/run"
)

// The JSON that the page reads.

type taskView struct {
	Name         string       `json:"name"`
	Title        string       `json:"title"`
	Description  string       `json:"description"`
	Run          string       `json:"run"`
	Strategy     strategyView `json:"strategy"`
	Model        modelView    `json:"model"`
	Data         dataView     `json:"data"`
	Packing      packingView  `json:"packing"`
	Stop         stopView     `json:"stop"`
	Phase        string       `json:"phase"`
	Round        uint64       `json:"round"`
	Version      uint64       `json:"version"`
	Participants int          `json:"participants"`
	Evaluated    uint64       `json:"evaluated"`
	TestLoss     *float64     `json:"test_loss"`
	TestAccuracy *float64     `json:"test_accuracy"`
	account.Figures
	RolledBack int64       `json:"rolled_back"`
	Finished   string      `json:"finished"`
	Rounds     []roundView `json:"rounds,omitempty"`
}

type strategyView struct {
	Kind     string  `json:"kind"`
	Summary  string  `json:"summary"` // in words
	Fraction float64 `json:"fraction"`
	Epochs   int     `json:"epochs"`
	Batch    int     `json:"batch"`
	LR       float64 `json:"lr"`
	ServerLR float64 `json:"server_lr"`
}

type modelView struct {
	Summary    string `json:"summary"`
	Parameters int    `json:"parameters"`
}

type dataView struct {
	Summary string `json:"summary"`
	Public  bool   `json:"public"`
	Classes int    `json:"classes"`
	Shards  int    `json:"shards"`
}

// packingView names the codecs.
type packingView struct {
	Up   string  `json:"up"`
	Bits float64 `json:"bits"` // for a parameter, asked of the codec up; 0 if that has no choice
	Down string  `json:"down"`
}

type stopView struct {
	Rounds   int     `json:"rounds"`
	Accuracy float64 `json:"accuracy"`
	Seconds  float64 `json:"seconds"`
}

type roundView struct {
	Round        uint64   `json:"round"`
	Participants int      `json:"participants"`
	TrainLoss    *float64 `json:"train_loss"`
	TestLoss     *float64 `json:"test_loss"`
	TestAccuracy *float64 `json:"test_accuracy"`
	account.Figures
	Rate    *float64 `json:"rate"`    // effective learning rate
	Seconds float64  `json:"seconds"` // from opening to commit
}

func (st *Study) view(s run.State) taskView {
	t, parameters := st.Task, st.Model.Layout().Size
	packing := t.Compress.Run(parameters)
	v := taskView{
		Name: t.Name, Title: t.Title, Description: t.Description, Run: st.Run,
		Strategy: strategyView{
			Kind: t.Strategy.Kind, Summary: t.Strategy.Summary(), Fraction: t.Strategy.Fraction, Epochs: t.Strategy.Epochs,
			Batch: t.Strategy.Batch, LR: t.Strategy.LR, ServerLR: t.Strategy.ServerLR,
		},
		Model:   modelView{Summary: summary(st.Model.Spec()), Parameters: parameters},
		Data:    dataView{Summary: st.Data.Summary, Public: st.Data.Public, Classes: st.Data.Train.Classes(), Shards: len(st.Data.Shards)},
		Packing: packingView{Up: packing.Up.String(), Bits: packing.Bits, Down: packing.Down.String()},
		Stop:    stopView{Rounds: t.Stop.Rounds, Accuracy: t.Stop.Accuracy, Seconds: t.Stop.Time.Seconds()},
		Phase:   s.Phase.String(), Round: s.Round, Version: s.Version, Participants: s.Participants,
		Figures: account.Of(&s.Ledger.Traffic, parameters), RolledBack: s.Ledger.RolledBack, Finished: s.Finished,
	}
	if e := s.Evaluated; e != nil {
		v.Evaluated, v.TestLoss, v.TestAccuracy = e.Version, run.Finite(&e.Loss), run.Finite(&e.Accuracy)
	}
	return v
}

func (st *Study) viewRound(r run.RoundRecord) roundView {
	return roundView{
		Round: r.Round, Participants: r.Participants, TrainLoss: run.Finite(&r.TrainLoss),
		TestLoss: run.Finite(r.TestLoss), TestAccuracy: run.Finite(r.TestAccuracy),
		Figures: account.Of(&r.Traffic, st.Model.Layout().Size),
		Rate:    run.Finite(&r.Rate), Seconds: max(0, r.Committed.Sub(r.Opened).Seconds()), // the clock may have been set back
	}
}

// summary writes a model in one line: 784-200-200-10, ReLU, softmax, or the chain
// of its layers.
func summary(s learn.Spec) string {
	parts := []string{strconv.Itoa(s.Features())}
	relu := false
	for i, l := range s.Layers {
		last := i == len(s.Layers)-1
		if l.Kind != learn.Dense || !last && l.Activation != learn.ReLU {
			return s.String()
		}
		parts = append(parts, strconv.Itoa(l.Units))
		relu = relu || l.Activation == learn.ReLU
	}
	words := strings.Join(parts, "-")
	if relu {
		words += ", ReLU"
	}
	return words + ", " + s.Loss.String()
}
