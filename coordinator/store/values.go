package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"fedtab/run"
)

// timeLayout is RFC 3339 with milliseconds; in UTC, texts sort as times do.
const timeLayout = "2006-01-02T15:04:05.000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeLayout) }

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s) // takes a fraction too
	if err != nil {
		return t, fmt.Errorf("%w: time %q", ErrCorrupt, s)
	}
	return t, nil
}

// number is x for a REAL column, where NaN is NULL.
func number(x float64) sql.NullFloat64 {
	return sql.NullFloat64{Float64: x, Valid: !math.IsNaN(x)}
}

// orNaN undoes number.
func orNaN(x sql.NullFloat64) float64 {
	if !x.Valid {
		return math.NaN()
	}
	return x.Float64
}

// vectorBytes returns v as little-endian float32.
func vectorBytes(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

// vector undoes vectorBytes.
func vector(b []byte) ([]float32, error) {
	if len(b)%4 != 0 {
		return nil, fmt.Errorf("%w: a vector of %d bytes", ErrCorrupt, len(b))
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}

// model decodes a version's parameters and compares them with their hash.
func model(blob []byte, hashText string) (params []float32, hash [32]byte, err error) {
	if hash, err = parseHash(hashText); err != nil {
		return nil, hash, err
	}
	if got := sha256.Sum256(blob); got != hash {
		return nil, hash, fmt.Errorf("%w: the parameters have hash %x, and %x was recorded", ErrCorrupt, got, hash)
	}
	params, err = vector(blob)
	return params, hash, err
}

func parseHash(s string) (hash [32]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(hash) {
		return hash, fmt.Errorf("%w: hash %q", ErrCorrupt, s)
	}
	return [32]byte(b), nil
}

// list returns ids as a JSON array.
func list[T uint32 | uint64 | int](numbers []T) string {
	if numbers == nil {
		return "[]"
	}
	b, err := json.Marshal(numbers)
	if err != nil {
		panic(err) // numbers always marshal
	}
	return string(b)
}

// parseList undoes list; the empty list is nil.
func parseList[T uint32 | uint64 | int](s string) ([]T, error) {
	var numbers []T
	if err := json.Unmarshal([]byte(s), &numbers); err != nil {
		return nil, fmt.Errorf("%w: list of numbers: %w", ErrCorrupt, err)
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	return numbers, nil
}

// timesColumns returns a round's times for the columns download to committing.
func timesColumns(t *run.Times) []any {
	if t == nil {
		return make([]any, 4)
	}
	all := []any{nil, t.Training.Seconds(), t.Upload.Seconds(), t.Commit.Seconds()}
	if t.Begun {
		all[0] = t.Download.Seconds()
	}
	return all
}

// parseTimes undoes timesColumns.
func parseTimes(columns [4]sql.NullFloat64) *run.Times {
	if !columns[1].Valid {
		return nil
	}
	var all [4]time.Duration
	for i, c := range columns {
		all[i] = time.Duration(math.Round(c.Float64 * float64(time.Second)))
	}
	return &run.Times{Download: all[0], Training: all[1], Upload: all[2], Commit: all[3], Begun: columns[0].Valid}
}

// normsColumns returns a round's norms for the columns norm_min to norm_max.
func normsColumns(n *run.Norms) []any {
	if n == nil {
		return make([]any, 3)
	}
	return []any{n.Min, n.Median, n.Max}
}

// parseNorms undoes normsColumns.
func parseNorms(columns [3]sql.NullFloat64) *run.Norms {
	if !columns[0].Valid {
		return nil
	}
	return &run.Norms{Min: columns[0].Float64, Median: columns[1].Float64, Max: columns[2].Float64}
}

// spentColumns returns a round's account of privacy for the columns releases to delta.
func spentColumns(s *run.Spent) []any {
	if s == nil {
		return make([]any, 3)
	}
	return []any{s.Releases, s.Epsilon, s.Delta}
}

// parseSpent undoes spentColumns.
func parseSpent(releases sql.NullInt64, columns [2]sql.NullFloat64) *run.Spent {
	if !releases.Valid {
		return nil
	}
	return &run.Spent{Releases: uint64(releases.Int64), Epsilon: columns[0].Float64, Delta: columns[1].Float64}
}
