package strategy

import (
	"fmt"
	"math"
	"time"
)

// Config is the strategy section of a task file. Zero fields take the
// defaults given here.
type Config struct {
	Kind     string  `yaml:"kind"`      // "fedavg"
	Fraction float64 `yaml:"fraction"`  // C: share of the clients chosen for a round, 0 <= C <= 1; 0 chooses one client
	Epochs   int     `yaml:"epochs"`    // E: passes over the local data; 0 means 1
	Batch    int     `yaml:"batch"`     // B: examples per mini-batch; 0 is all of the local data
	LR       float64 `yaml:"lr"`        // eta: learning rate of the mean loss, > 0
	ServerLR float64 `yaml:"server_lr"` // eta_s, on the averaged update; 0 means 1

	MinClients int           `yaml:"min_clients"` // participants present before a round opens; 0 means 1
	MinReports int           `yaml:"min_reports"` // contributions that a round needs; 0 means half of its cohort, rounded up
	Deadline   time.Duration `yaml:"deadline"`    // of a round; 0 means DefaultDeadline
}

// DefaultDeadline bounds a round whose task gives no deadline: long enough
// for a phone to work through its share, short enough that nobody waits for
// a tab that hangs.
const DefaultDeadline = 2 * time.Minute

// Limits of a Config, so that a task file cannot ask for what no client
// will ever finish.
const (
	MaxEpochs   = 1000
	MaxBatch    = 1 << 20
	MinDeadline = time.Second
	MaxDeadline = 24 * time.Hour
)

// A Problem is one thing wrong with a Config: the field as it is written in
// the task file, its value, and what would be right.
type Problem struct {
	Field string // "fraction"
	Value any
	Want  string // "0 <= fraction <= 1"
}

func (p Problem) String() string {
	return fmt.Sprintf("%s is %v, want %s", p.Field, p.Value, p.Want)
}

// Kinds are the strategies that exist.
func Kinds() []string { return []string{"fedavg"} }

// Problems reports everything that is wrong with c.
func (c Config) Problems() []Problem {
	var ps []Problem
	bad := func(ok bool, field string, value any, want string) {
		if !ok {
			ps = append(ps, Problem{field, value, want})
		}
	}
	finite := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	bad(c.Kind == "fedavg", "kind", fmt.Sprintf("%q", c.Kind), `"fedavg"`)
	bad(c.Fraction >= 0 && c.Fraction <= 1, "fraction", c.Fraction, "0 <= fraction <= 1")
	bad(c.Epochs >= 0 && c.Epochs <= MaxEpochs, "epochs", c.Epochs, fmt.Sprintf("1 <= epochs <= %d", MaxEpochs))
	bad(c.Batch >= 0 && c.Batch <= MaxBatch, "batch", c.Batch, fmt.Sprintf("0 <= batch <= %d (0: all of the local data)", MaxBatch))
	bad(finite(c.LR) && c.LR > 0 && c.LR <= 1000, "lr", c.LR, "0 < lr <= 1000")
	bad(finite(c.ServerLR) && c.ServerLR >= 0 && c.ServerLR <= 1000, "server_lr", c.ServerLR, "0 < server_lr <= 1000")
	bad(c.MinClients >= 0, "min_clients", c.MinClients, "min_clients >= 1")
	bad(c.MinReports >= 0, "min_reports", c.MinReports, "min_reports >= 1 (0: half of the cohort)")
	bad(c.Deadline == 0 || c.Deadline >= MinDeadline && c.Deadline <= MaxDeadline, "deadline", c.Deadline, fmt.Sprintf("%v <= deadline <= %v", MinDeadline, MaxDeadline))
	return ps
}

// WithDefaults returns c with its zeros replaced by the defaults.
func (c Config) WithDefaults() Config {
	if c.Epochs == 0 {
		c.Epochs = 1
	}
	if c.ServerLR == 0 {
		c.ServerLR = 1
	}
	if c.MinClients == 0 {
		c.MinClients = 1
	}
	if c.Deadline == 0 {
		c.Deadline = DefaultDeadline
	}
	return c
}
