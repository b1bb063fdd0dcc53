package learn

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/learn/data"
)

// MaxLoss is the max mean loss of an evaluation that is counted. With the softmax it is
// that of a class with a probability of e^-10000.
const MaxLoss = 1e4

// Append appends m as the answer to an evaluation (docs/protocol.md, "Enquiries").
func (m Metrics) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Examples))
	double := func(v float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v)) }
	double(m.Loss)
	if m.Confusion == nil {
		double(m.AbsoluteError)
		double(m.SquaredError)
		double(m.TargetMean)
		double(m.TargetSquares)
	}
	for _, n := range m.Confusion {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// MetricsSize returns the bytes that Append appends, with a number of classes, 0 in a
// regression.
func MetricsSize(classes int) int {
	if classes == 0 {
		return 6 * 8
	}
	return 8 * (2 + classes*classes)
}

// ParseMetrics reads what Append has written, of at most the given number of examples.
// The error, which wraps ErrConfig, names the first total that cannot be.
func ParseMetrics(b []byte, classes, most int) (Metrics, error) {
	refuse := func(format string, args ...any) (Metrics, error) {
		return Metrics{}, fmt.Errorf("evaluation: "+format+": %w", append(args, ErrConfig)...)
	}
	if len(b) != MetricsSize(classes) {
		return refuse("%d bytes, want %d", len(b), MetricsSize(classes))
	}
	next := func() uint64 {
		v := binary.LittleEndian.Uint64(b)
		b = b[8:]
		return v
	}
	double := func() float64 { return math.Float64frombits(next()) }
	n := next()
	if n == 0 || n > uint64(most) {
		return refuse("%d examples, want 1 to %d", n, most)
	}
	m := Metrics{Sums: Sums{Examples: int(n), Loss: double()}}
	if !(m.Loss >= 0 && m.Loss <= MaxLoss*float64(n)) {
		return refuse("loss %g, want 0 to %g", m.Loss, MaxLoss*float64(n))
	}
	if classes == 0 {
		m.AbsoluteError, m.SquaredError, m.TargetMean, m.TargetSquares = double(), double(), double(), double()
		for _, v := range []float64{m.AbsoluteError, m.SquaredError, math.Abs(m.TargetMean), m.TargetSquares} {
			if !(v >= 0 && v <= MaxLoss*float64(n)) {
				return refuse("a sum of errors or targets is %g, want 0 to %g", v, MaxLoss*float64(n))
			}
		}
		// Cauchy and Schwarz; rounding apart.
		if e := m.AbsoluteError; e*e > m.SquaredError*float64(n)*(1+1e-9)+1e-30 {
			return refuse("absolute errors of %g, want at most the root of %g squared errors times %d examples", e, m.SquaredError, n)
		}
		return m, nil
	}
	m.Confusion = make([]int64, classes*classes)
	left := n
	for i := range m.Confusion {
		v := next()
		if v > left {
			return refuse("the confusion matrix has more than %d examples", n)
		}
		left -= v
		m.Confusion[i] = int64(v)
		if i%(classes+1) == 0 {
			m.Correct += int(v)
		}
	}
	if left > 0 {
		return refuse("the confusion matrix has %d examples, want %d", n-left, n)
	}
	return m, nil
}

// Scale multiplies the totals by a factor from 0 to 1: a participant with many more
// examples than others counts as one with fewer. Counts are rounded.
func (m Metrics) Scale(by float64) Metrics {
	if by == 1 {
		return m
	}
	s := Metrics{
		AbsoluteError: m.AbsoluteError * by, SquaredError: m.SquaredError * by,
		TargetMean: m.TargetMean, TargetSquares: m.TargetSquares * by,
	}
	count := func(n int64) int64 { return int64(math.Round(float64(n) * by)) }
	for i, n := range m.Confusion {
		s.Confusion = append(s.Confusion, count(n))
		s.Examples += int(count(n))
		if i%(m.Classes()+1) == 0 {
			s.Correct += int(count(n))
		}
	}
	if m.Confusion == nil {
		s.Examples = int(count(int64(m.Examples)))
	}
	if m.Examples > 0 {
		s.Loss = m.Loss * float64(s.Examples) / float64(m.Examples)
	}
	return s
}

// Evaluator evaluates a model piece by piece, so that a tab can breathe between them.
type Evaluator struct {
	pass   *pass
	spec   Spec
	params []float32
	ex     data.Examples
	at     int
	total  Metrics
}

// Start begins the evaluation of the model with params over ex. An error wraps
// ErrConfig.
func (e *Evaluator) Start(m Model, params []float32, ex data.Examples) error {
	if err := compatible(m, params, ex); err != nil {
		return err
	}
	if e.pass == nil {
		e.pass = newPass(m, ex.Features())
	}
	*e = Evaluator{pass: e.pass, spec: m.Spec(), params: params, ex: ex}
	if c := e.spec.Classes(); c > 0 {
		e.total.Confusion = make([]int64, c*c)
	}
	return nil
}

// Run evaluates up to a number of pieces and reports whether all are done.
func (e *Evaluator) Run(pieces int) (done bool) {
	for ; pieces > 0 && e.at < e.ex.Len(); pieces-- {
		count := min(e.pass.size(), e.ex.Len()-e.at)
		part := Metrics{Confusion: e.total.Confusion}
		e.pass.measure(&part, &e.spec, e.params, e.ex, e.at, count)
		e.total.Confusion, part.Confusion = part.Confusion, nil
		e.total.Add(part)
		e.at += count
	}
	return e.at >= e.ex.Len()
}

// Metrics returns the totals so far.
func (e *Evaluator) Metrics() Metrics { return e.total }
