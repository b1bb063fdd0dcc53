package predict

import (
	"fmt"
	"io"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// Model predicts with a model, one example at a time. Its methods allocate on their first
// use only, but for problems. It is not safe for concurrent use.
type Model struct {
	*export.Model

	model   learn.Model
	outputs *learn.Predictor
	x       []float32 // of an example
	scores  []float64

	fitter data.Fitter // of pictures
	image  []uint8
	row    *data.RowEncoder // of a table
	schema *data.TableSchema
}

// Answer is what a model says of an example.
type Answer struct {
	Class int // label of the predicted class; -1 in a regression

	// Scores are by label; nil in a regression. They are probabilities if
	// Spec.HasProbabilities. They are valid until the next answer.
	Scores []float64

	Value float64 // predicted number, in the unit of the target; 0 with classes
}

// Read reads a safetensors file, as [export.Read] does, for predictions.
func Read(file []byte) (*Model, error) {
	m, err := export.Read(file)
	if err != nil {
		return nil, err
	}
	return New(m)
}

// New returns a Model that shares the memory of m. An error wraps [export.ErrModel] or
// [data.ErrFormat].
func New(m *export.Model) (*Model, error) {
	lm, err := learn.New(m.Spec)
	if err != nil {
		return nil, fmt.Errorf("predict: %w: %w", err, export.ErrModel)
	}
	p := &Model{Model: m, model: lm, x: make([]float32, m.Spec.Features())}
	if n := len(m.Classes); n > 0 {
		p.scores = make([]float64, n)
	}
	if p.outputs, err = learn.NewPredictor(lm, m.Params, 1); err != nil {
		return nil, fmt.Errorf("predict: %w: %w", err, export.ErrModel)
	}
	if m.Encoding != nil {
		if p.row, err = data.NewRowEncoder(m.Encoding); err != nil {
			return nil, err
		}
		return p, nil
	}
	shape := m.Spec.Input
	if len(shape) == 2 {
		shape = []int{shape[0], shape[1], 1}
	}
	if len(shape) != 3 || shape[2] != 1 && shape[2] != 3 {
		return nil, fmt.Errorf("predict: input of shape %v, want [height, width] or [height, width, 3]: %w", m.Spec.Input, export.ErrModel)
	}
	p.fitter.Height, p.fitter.Width, p.fitter.Channels = shape[0], shape[1], shape[2]
	p.image = make([]uint8, p.fitter.Size())
	return p, nil
}

// Clone returns a Model that shares the parameters of m, for another goroutine.
func (m *Model) Clone() *Model {
	c, err := New(m.Model)
	if err != nil {
		panic(err) // m was made of the same
	}
	if c.fitter.Drawn = m.fitter.Drawn; m.schema != nil {
		c.Bound(m.schema)
	}
	return c
}

// Pictures reports whether the model is one of pictures, and the shape that it makes of
// them; otherwise it is one of a table.
func (m *Model) Pictures() (height, width, channels int, ok bool) {
	f := &m.fitter
	return f.Height, f.Width, f.Channels, m.Encoding == nil
}

// Dark says what transparent pixels of pictures are: black, or white.
func (m *Model) Dark(dark bool) { m.fitter.Drawn = dark }

// Picture answers for a picture in RGBA, [height, width, 4], of which [data.Fitter.Fit]
// makes an image, or [data.Fitter.FitDrawn] if it is drawn. The error is theirs, or wraps
// [export.ErrModel] if the outputs are not finite. It panics if the model is one of a
// table.
func (m *Model) Picture(rgba []uint8, width, height int, drawn bool) (Answer, error) {
	fit := m.fitter.Fit
	if drawn {
		fit = m.fitter.FitDrawn
	}
	if err := fit(m.image, rgba, width, height); err != nil {
		return Answer{}, err
	}
	for i, p := range m.image {
		// Two roundings, as the shards of such images are read.
		m.x[i] = float32(float32(p)*m.Pixels.Scale) + m.Pixels.Offset
	}
	z := m.outputs.Outputs(m.x)
	if !finite(z) {
		return Answer{}, fmt.Errorf("predict: the outputs are %v, want finite numbers (are the parameters very large?): %w", z, export.ErrModel)
	}
	return m.answer(z), nil
}

// Image returns the image that was made of the last picture: its pixels, row-major, 0 to
// 255. It is valid until the next one.
func (m *Model) Image() []uint8 { return m.image }

// Row answers for a row of texts, one for each of Encoding.Columns, as
// [data.RowEncoder.Encode] reads them, or returns what is wrong with them. It panics if
// the model is one of pictures.
func (m *Model) Row(texts []string, decimal rune) (Answer, []data.Problem) {
	if problems := m.row.Encode(m.x, texts, decimal); problems != nil {
		return Answer{}, problems
	}
	z := m.outputs.Outputs(m.x)
	if !finite(z) {
		return Answer{}, []data.Problem{overflow}
	}
	return m.answer(z), nil
}

// overflow is the problem of a row whose numbers are too large together.
var overflow = data.Problem{Value: "the row has numbers for which the model has no answer", Want: "numbers nearer to those that it has learned from"}

func finite(z []float32) bool {
	for _, v := range z {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// Bound bounds the numbers of rows by the fields of a task's schema, which exported files
// do not have. It panics if the model is one of pictures.
func (m *Model) Bound(s *data.TableSchema) {
	m.schema = s
	m.row.Bound(s)
}

// Bounds returns the bounds of a column with numbers; nil is none.
func (m *Model) Bounds(column int) (min, max *float64) { return m.row.Bounds(column) }

// Rows reads the beginning of a table for [Model.Table], as [data.NewRowReader] does.
func (m *Model) Rows(r io.Reader, name string, cfg data.CSV) (*data.RowReader, error) {
	rows, err := data.NewRowReader(r, name, m.Encoding, cfg)
	if err == nil && m.schema != nil {
		rows.Bound(m.schema)
	}
	return rows, err
}

// answer says what the outputs of an example stand for.
func (m *Model) answer(z []float32) Answer {
	if m.Classes == nil {
		value := float64(z[0])
		if m.Encoding != nil {
			t := &m.Encoding.Target
			value = t.Mean + t.Deviation*value
		}
		return Answer{Class: -1, Value: value}
	}
	m.Spec.Scores(m.scores, z)
	return Answer{Class: m.Spec.Class(z), Scores: m.scores}
}
