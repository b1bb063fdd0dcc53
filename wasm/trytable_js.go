//go:build readers

package main

import (
	"errors"
	"math"
	"syscall/js"
	"time"

	"fedtab/fields"
	"fedtab/learn/data"
	"fedtab/learn/predict"
	"fedtab/tab"
)

const (
	shownRows    = 50      // of a table's predictions
	writtenBlock = 1 << 20 // bytes of CSV that are handed to the browser together
)

// tableJob predicts the rows of a table, on a goroutine of its own.
type tableJob struct {
	p     *predictor
	model *predict.Model // with memory of its own
	slot  string
	id    int
	name  string
	last  time.Time // of the last report of progress

	out   tab.Predictions
	parts []any // of the CSV file
	block []byte
}

// tableDone is what a tableJob has the loop do.
type tableDone struct{ do func() }

// csv predicts a table with the first model of tables, or that of a slot.
func (p *predictor) csv(m js.Value, id int) {
	of := p.of(false, "csv", id)
	if of == nil {
		return
	}
	s := of[0]
	for _, other := range of {
		if name := m.Get("slot"); name.Type() == js.TypeString && name.String() == other.name {
			s = other
		}
	}
	file := m.Get("file")
	if !file.InstanceOf(js.Global().Get("Blob")) {
		fail("csv", s.name, id, tab.BadMessage, "The message has no file.")
		return
	}
	name := "the table"
	if n := file.Get("name"); n.Type() == js.TypeString {
		name = n.String()
	}
	p.cancel()
	j := &tableJob{p: p, model: s.model.Clone(), slot: s.name, id: id, name: name}
	p.table = j
	var cfg data.CSV
	if decimal := m.Get("decimal"); decimal.Type() == js.TypeString {
		cfg.Decimal = decimalSign(m)
	}
	go j.run(file, cfg)
}

// cancel gives up the table that is read.
func (p *predictor) cancel() {
	if p.table != nil {
		post(map[string]any{"type": "cancelled", "slot": p.table.slot, "id": p.table.id})
		p.table = nil
	}
}

// do has the loop do something, unless the job has been given up.
func (j *tableJob) do(f func()) {
	j.p.queue.put(tableDone{func() {
		if j.p.table == j {
			f()
		}
	}})
}

// progress tells the page how much is read, now and then. It returns an error once the
// job has been given up.
func (j *tableJob) progress(done, total int64) error {
	if j.p.table != j {
		return errGivenUp
	}
	if now := time.Now(); now.Sub(j.last) >= reportEvery {
		j.last = now
		j.do(func() {
			post(map[string]any{"type": "progress", "slot": j.slot, "id": j.id, "done": done, "total": total})
		})
	}
	return nil
}

func (j *tableJob) run(file js.Value, cfg data.CSV) {
	summary, err := j.predict(file, cfg)
	j.do(func() {
		j.p.table = nil
		if err != nil {
			code := tab.BadTable
			if errors.Is(err, data.ErrDecimal) {
				code = tab.AskDecimal
			}
			fail("csv", j.slot, j.id, code, refusal(j.name, err))
			return
		}
		j.figures(summary)
		message := fields.Map(j.out)
		message["blob"] = js.Global().Get("Blob").New(j.parts, map[string]any{"type": "text/csv"})
		post(message)
	})
}

// predict reads the table and predicts its rows.
func (j *tableJob) predict(file js.Value, cfg data.CSV) (*predict.Summary, error) {
	content, err := blob(js.ValueOf(map[string]any{"file": file, "path": j.name}))
	if err != nil {
		return nil, errors.New(reason(err))
	}
	in := newFileReader(content)
	rows, err := j.model.Rows(&counted{in, j.progress, 0, in.size}, j.name, cfg)
	if err != nil {
		return nil, err
	}
	w := predict.NewWriter(j, j.model, true)
	summary, err := j.model.Table(rows, func(row *predict.Row) error {
		j.show(row)
		return w.Write(row)
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		j.hand()
	}
	return summary, err
}

// show keeps what the page shows of a row.
func (j *tableJob) show(row *predict.Row) {
	for _, q := range row.Problems {
		if len(j.out.Problems) < shownProblems {
			j.out.Problems = append(j.out.Problems, problem(q))
		}
	}
	if len(j.out.Rows) == shownRows {
		return
	}
	shown := tab.PredictedRow{Line: row.Line}
	if row.Predicted {
		shown.Text = j.model.Text(row.Answer)
		if row.Answer.Scores != nil {
			shown.Share = row.Answer.Scores[row.Answer.Class]
		}
	}
	if len(row.Problems) > 0 {
		shown.Problem = row.Problems[0].Words()
	}
	j.out.Rows = append(j.out.Rows, shown)
}

// figures fills in what there is to say of all rows.
func (j *tableJob) figures(s *predict.Summary) {
	o := &j.out
	o.Type, o.Slot, o.ID, o.Name = "predictions", j.slot, j.id, j.name
	o.Predicted, o.Rejected, o.AllProblems = s.Rows, s.Rejected, s.Problems
	if o.Known = s.Metrics.Examples; o.Known == 0 {
		return
	}
	f := s.Metrics.Figures()
	for _, figure := range []struct {
		to *(*float64)
		of float64
	}{{&o.Accuracy, f.Accuracy}, {&o.BalancedAccuracy, f.BalancedAccuracy}, {&o.RMSE, f.RMSE}, {&o.MAE, f.MAE}, {&o.R2, f.R2}} {
		if !math.IsNaN(figure.of) {
			*figure.to = &figure.of
		}
	}
	for _, n := range s.Metrics.Confusion {
		o.Confusion = append(o.Confusion, int(n))
	}
}

// Write takes a part of the CSV file.
func (j *tableJob) Write(b []byte) (int, error) {
	if j.block = append(j.block, b...); len(j.block) >= writtenBlock {
		j.hand()
	}
	return len(b), nil
}

// hand hands what is written to the browser.
func (j *tableJob) hand() {
	j.parts = append(j.parts, uint8Array(j.block))
	j.block = j.block[:0]
}
