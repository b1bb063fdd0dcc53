package simulate

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"time"

	"fedtab/api"
	"fedtab/coordinator/account"
	"fedtab/coordinator/task"
	"fedtab/run"
	"fedtab/simulation"
)

// Result is the output of `coordinator simulate --json`. It does not depend on the
// wall clock.
type Result struct {
	Complete    bool      `json:"complete"`              // false: it was interrupted, or made no progress
	SelectedOn  string    `json:"selected_on,omitempty"` // what ends the run, and which version is best: validation or test; absent: no figure selects
	Task        string    `json:"task"`
	Strategy    string    `json:"strategy"`
	Seed        uint64    `json:"seed"`
	Clients     int       `json:"clients"`
	Parameters  int       `json:"parameters"` // of the model
	Rounds      []Round   `json:"rounds"`
	Checks      []Check   `json:"checks,omitempty"` // of lock-step simulations
	Final       Final     `json:"final"`
	ModelSHA256 string    `json:"model_sha256"`
	Accounts    []Account `json:"accounts"`         // of every client, over the whole run
	Shares      *Shares   `json:"shares,omitempty"` // absent without classes, with own data and with a concept drift

	Settings   map[string]string `json:"settings"`              // of the task, with defaults, by path
	DataSHA256 string            `json:"data_sha256,omitempty"` // of the content of the data
	Program    string            `json:"program,omitempty"`     // build, Go, platform and kernels

	Model []float32 `json:"-"`
}

// Round is one committed round. Its metrics are null if it was not evaluated.
type Round struct {
	Round        uint64   `json:"round"`
	Participants int      `json:"participants"`
	Weight       *float64 `json:"weight"`     // examples behind the version
	TrainLoss    *float64 `json:"train_loss"` // mean over the examples during training
	api.Test

	// BackdoorSuccess is the share of test examples with the trigger, of other classes
	// than the target, that the model gives the target. It is measured in tasks with
	// adversaries of kind backdoor.
	BackdoorSuccess *float64 `json:"backdoor_success,omitempty"`
	account.Figures
	Rate           *float64 `json:"rate"`            // effective learning rate
	VirtualSeconds float64  `json:"virtual_seconds"` // from the start of the run to the commit
	Privacy        *Privacy `json:"privacy,omitempty"`
}

// Privacy is what the versions so far would tell of each participant, if the noise did not
// follow from the seed; absent without noise.
type Privacy struct {
	Releases  uint64   `json:"releases"` // versions that are charged
	Epsilon   *float64 `json:"epsilon"`  // upper bound; null: there is none
	Delta     float64  `json:"delta"`
	Adjacency string   `json:"adjacency"`
}

func privacyOf(settings map[string]string, s *run.Spent) *Privacy {
	if s == nil {
		return nil
	}
	return &Privacy{Releases: s.Releases, Epsilon: account.Epsilon(s), Delta: s.Delta, Adjacency: task.Adjacency(settings["privacy.aggregation"])}
}

// Check is the state of a lock-step simulation after Steps mini-batches of every client
// ([simulation.Check]). Bytes and models are cumulative.
type Check struct {
	Steps      int     `json:"steps"`
	Version    uint64  `json:"version"`
	Distance   float64 `json:"distance"`   // mean squared distance of the clients' models from the newest version
	Divergence float64 `json:"divergence"` // the same from their mean
	api.Test
	account.Figures
}

func checkOf(c simulation.Check, parameters int) Check {
	return Check{
		Steps: c.Steps, Version: c.Version, Distance: c.Distance, Divergence: c.Divergence,
		Test: account.Test(c.Test, c.Validation), Figures: account.Of(&c.Traffic, parameters),
	}
}

// Final is how the run ended. Its bytes are those of the whole run.
type Final struct {
	Round  uint64 `json:"round"`
	Reason string `json:"reason"`
	api.Test

	BackdoorSuccess *float64 `json:"backdoor_success,omitempty"` // of the last version
	account.Figures
	RolledBack     int64   `json:"rolled_back"` // versions that the guard discarded
	Abandoned      int64   `json:"abandoned"`   // attempts of rounds
	VirtualSeconds float64 `json:"virtual_seconds"`

	Privacy *Privacy `json:"privacy,omitempty"`
}

// record adds a round, or the evaluation of the last one, which is not fresh.
func (r *Result) record(rec run.RoundRecord, fresh bool) {
	row := Round{
		Round: rec.Round, Participants: rec.Participants, Weight: run.Finite(&rec.Weight), TrainLoss: run.Finite(&rec.TrainLoss),
		Test:           account.Test(rec.Test, rec.Validation),
		Figures:        account.Of(&rec.Traffic, r.Parameters),
		Rate:           run.Finite(&rec.Rate),
		VirtualSeconds: rec.Committed.Sub(simulation.Epoch).Round(time.Microsecond).Seconds(),
		Privacy:        privacyOf(r.Settings, rec.Spent),
	}
	if fresh {
		r.Rounds = append(r.Rounds, row)
	} else {
		r.Rounds[len(r.Rounds)-1] = row
	}
}

func (r *Result) finish(s run.State, version uint64, hash [32]byte) {
	r.Final = Final{Privacy: privacyOf(r.Settings, s.Spent), Round: version, Reason: s.Finished, Figures: account.Of(&s.Ledger.Traffic, r.Parameters), RolledBack: s.Ledger.RolledBack, Abandoned: s.Ledger.Abandoned}
	if e := s.Evaluated; e != nil {
		r.Final.Test = account.Test(&e.Figures, e.Validation)
	}
	if n := len(r.Rounds); n > 0 {
		r.Final.VirtualSeconds = r.Rounds[n-1].VirtualSeconds
	}
	r.ModelSHA256 = hex.EncodeToString(hash[:])
}

// WriteJSON writes the result, indented.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
