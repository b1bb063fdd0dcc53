// Package records writes what is recorded of a run's rounds in formats that other programs
// read: CSV (RFC 4180), JSON Lines, and TensorBoard's event files. Rows are written as they
// are read, so that the memory does not depend on the length of the run.
package records

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"fedtab/coordinator/store"
	"fedtab/learn"
	"fedtab/run"
)

// Formats are the formats, and Tables what there is to write.
var (
	Formats = []string{"csv", "jsonl", "tensorboard"}
	Tables  = []string{"rounds", "contributions", "traffic"}
)

// File says which table of a run is to be written, and how.
type File struct {
	Run           store.Run
	Table, Format string // of Tables and Formats
}

// Validate says what is wrong with f.
func (f File) Validate() error {
	switch {
	case !slices.Contains(Formats, f.Format):
		return fmt.Errorf("format: %q, want %s", f.Format, oneOf(Formats))
	case !slices.Contains(Tables, f.Table):
		return fmt.Errorf("table: %q, want %s", f.Table, oneOf(Tables))
	case f.Format == "tensorboard" && f.Table != "rounds":
		return fmt.Errorf("table: %q, want rounds in the format tensorboard, which has one value in a round", f.Table)
	}
	return nil
}

func oneOf(all []string) string {
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// Name returns a name for the file. TensorBoard reads the files whose names have "tfevents" in
// them.
func (f File) Name() string {
	if f.Format == "tensorboard" {
		return fmt.Sprintf("events.out.tfevents.%d.%s", f.Run.Created.Unix(), f.Run.ID)
	}
	return fmt.Sprintf("%s-%s.%s", f.Run.ID, f.Table, f.Format)
}

// ContentType returns the file's media type.
func (f File) ContentType() string {
	switch f.Format {
	case "csv":
		return "text/csv; charset=utf-8"
	case "jsonl":
		return "application/jsonl"
	}
	return "application/octet-stream"
}

// Source is where a run is read: a store.Store has all of it, a store.Shown what may be shown.
type Source interface {
	Reader(run string) (*store.Reader, error)
	Parameters(run string) (int, error)
}

// Write writes the file, up to the round that is the newest when it begins.
func (f File) Write(w io.Writer, s Source) error {
	if err := f.Validate(); err != nil {
		return err
	}
	reader, err := s.Reader(f.Run.ID)
	if err != nil {
		return err
	}
	if f.Table != "rounds" && reader.Withheld() { // before anything is written
		return fmt.Errorf("run %s: table %s: %w", f.Run.ID, f.Table, store.ErrWithheld)
	}
	parameters, err := s.Parameters(f.Run.ID)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	switch f.Table {
	case "rounds":
		err = write(f, buffered, roundColumns(parameters), reader.Rounds())
	case "contributions":
		err = write(f, buffered, contributionColumns, reader.Contributions())
	case "traffic":
		err = write(f, buffered, trafficColumns, reader.Traffic())
	}
	if err != nil {
		return err
	}
	return buffered.Flush()
}

// An encoder writes rows, whose values are uint64, int64, float64, string, time.Time, or nil
// for none.
type encoder interface {
	row(values []any) error
}

func write[T any](f File, w io.Writer, columns []column[T], rows iter.Seq2[*T, error]) error {
	names := []string{"run"}
	for _, c := range columns {
		names = append(names, c.name)
	}
	e, err := newEncoder(f, w, names)
	if err != nil {
		return err
	}
	values := make([]any, len(names))
	values[0] = f.Run.ID
	for row, err := range rows {
		if err != nil {
			return err
		}
		for i, c := range columns {
			values[1+i] = c.value(row)
		}
		if err := e.row(values); err != nil {
			return err
		}
	}
	return nil
}

func newEncoder(f File, w io.Writer, names []string) (encoder, error) {
	switch f.Format {
	case "csv":
		return newCSV(w, names)
	case "jsonl":
		return newLines(w, names), nil
	}
	return newEvents(w, names, f.Run.Created)
}

// column is a column of a table.
type column[T any] struct {
	name  string
	value func(*T) any
}

// roundColumns are those of the rounds of a model with a number of parameters. Names are those
// of the HTTP API (docs/api.md).
func roundColumns(parameters int) []column[run.RoundRecord] {
	test := func(name string, value func(r *run.RoundRecord) float64) column[run.RoundRecord] {
		return column[run.RoundRecord]{name, func(r *run.RoundRecord) any {
			if r.Test == nil {
				return nil
			}
			return number(value(r))
		}}
	}
	validation := func(name string, value func(f *learn.Figures) float64) column[run.RoundRecord] {
		return column[run.RoundRecord]{name, func(r *run.RoundRecord) any {
			if r.Validation == nil {
				return nil
			}
			return number(value(r.Validation))
		}}
	}
	spent := func(name string, value func(s *run.Spent) any) column[run.RoundRecord] {
		return column[run.RoundRecord]{name, func(r *run.RoundRecord) any {
			if r.Spent == nil {
				return nil
			}
			return value(r.Spent)
		}}
	}
	density := func(name string, value func(run.Density) *float64) column[run.RoundRecord] {
		return column[run.RoundRecord]{name, func(r *run.RoundRecord) any {
			if x := value(r.Traffic.Density(parameters)); x != nil {
				return *x
			}
			return nil
		}}
	}
	moved := func(name string, value func(*run.Traffic) int64) column[run.RoundRecord] {
		return column[run.RoundRecord]{name, func(r *run.RoundRecord) any {
			if r.Spent != nil && r.Traffic == (run.Traffic{}) { // withheld
				return nil
			}
			return value(&r.Traffic)
		}}
	}
	return []column[run.RoundRecord]{
		{"round", func(r *run.RoundRecord) any { return r.Round }},
		{"opened", func(r *run.RoundRecord) any { return r.Opened }},
		{"committed", func(r *run.RoundRecord) any { return r.Committed }},
		{"seconds", func(r *run.RoundRecord) any { return max(0, r.Committed.Sub(r.Opened).Seconds()) }},
		{"participants", func(r *run.RoundRecord) any { return int64(r.Participants) }},
		{"examples", func(r *run.RoundRecord) any { return number(r.Weight) }},
		{"train_loss", func(r *run.RoundRecord) any { return number(r.TrainLoss) }},
		test("test_loss", func(r *run.RoundRecord) float64 { return r.Test.Loss }),
		test("test_accuracy", func(r *run.RoundRecord) float64 { return r.Test.Accuracy }),
		test("test_balanced_accuracy", func(r *run.RoundRecord) float64 { return r.Test.BalancedAccuracy }),
		test("test_f1", func(r *run.RoundRecord) float64 { return r.Test.F1 }),
		test("test_rmse", func(r *run.RoundRecord) float64 { return r.Test.RMSE }),
		test("test_mae", func(r *run.RoundRecord) float64 { return r.Test.MAE }),
		test("test_r2", func(r *run.RoundRecord) float64 { return r.Test.R2 }),
		test("test_examples", func(r *run.RoundRecord) float64 { return float64(r.Test.Examples) }),
		validation("validation_loss", func(f *learn.Figures) float64 { return f.Loss }),
		validation("validation_accuracy", func(f *learn.Figures) float64 { return f.Accuracy }),
		validation("validation_rmse", func(f *learn.Figures) float64 { return f.RMSE }),
		validation("validation_examples", func(f *learn.Figures) float64 { return float64(f.Examples) }),
		moved("bytes_up", func(t *run.Traffic) int64 { return t.Up }),
		moved("bytes_down", func(t *run.Traffic) int64 { return t.Down }),
		moved("models_up", func(t *run.Traffic) int64 { return t.ModelsUp }),
		moved("models_down", func(t *run.Traffic) int64 { return t.ModelsDown }),
		density("bits_up", func(d run.Density) *float64 { return d.BitsUp }),
		density("bits_down", func(d run.Density) *float64 { return d.BitsDown }),
		density("raw_ratio", func(d run.Density) *float64 { return d.RawRatio }),
		{"rate", func(r *run.RoundRecord) any { return number(r.Rate) }},
		{"hash", func(r *run.RoundRecord) any { return fmt.Sprintf("%x", r.Hash) }},
		spent("releases", func(s *run.Spent) any { return s.Releases }),
		spent("epsilon", func(s *run.Spent) any { return number(s.Epsilon) }),
		spent("delta", func(s *run.Spent) any { return s.Delta }),
	}
}

var contributionColumns = []column[store.Contribution]{
	{"round", func(c *store.Contribution) any { return c.Round }},
	{"participant", func(c *store.Contribution) any { return int64(c.Participant) }},
	{"order", func(c *store.Contribution) any { return c.Order }},
	{"examples", func(c *store.Contribution) any { return c.Weight }},
	{"scale", func(c *store.Contribution) any { return number(c.Scale) }},
	{"counted", func(c *store.Contribution) any { return number(c.Counted) }},
	{"fingerprint", func(c *store.Contribution) any { return c.Fingerprint }},
}

var trafficColumns = []column[store.ClientTraffic]{
	{"round", func(t *store.ClientTraffic) any { return t.Round }},
	{"participant", func(t *store.ClientTraffic) any { return int64(t.Participant) }},
	{"bytes_up", func(t *store.ClientTraffic) any { return t.Up }},
	{"bytes_down", func(t *store.ClientTraffic) any { return t.Down }},
	{"models_up", func(t *store.ClientTraffic) any { return t.ModelsUp }},
	{"models_down", func(t *store.ClientTraffic) any { return t.ModelsDown }},
}

// number returns x, or nil where it is no number.
func number(x float64) any {
	if finite := run.Finite(&x); finite != nil {
		return *finite
	}
	return nil
}

// timeText writes a moment as RFC 3339 in UTC.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
