package dataset

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// openOwn returns the data of a task for which participants bring it: the coordinator
// has the schema, and no examples but those of a test file.
func openOwn(t *task.Task) (*Dataset, error) {
	s := t.Data.Schema()
	d := &Dataset{Own: s, Classes: s.Classes(), Summary: ownSummary(s), Hash: ownHash(s)}
	if s.Table == nil {
		return d, nil
	}
	if test := t.Evaluate.Test; test.CSV != "" {
		var err error
		if d.test, err = d.readOwn("evaluate.test", test.CSV, test.Decimal); err != nil {
			return nil, fmt.Errorf("evaluate.test: %w", err)
		}
	}
	return d, d.use(data.Plain(len(s.Table.Numbers())))
}

// Divide reads the data of a simulation of own data, data.from, and divides it among the
// clients: each has a part of its own, with its own hold-out. Rows that a participant
// could not use are left out, which the notes say. It does nothing to other data. The
// error has the line, column and value if there is one.
func (d *Dataset) Divide(t *task.Task) error {
	if d.Own == nil {
		return nil
	}
	from := t.Data.From
	switch {
	case d.Own.Images != nil:
		return fmt.Errorf("task %s: its participants bring images, and the clients of a simulation have none: want a task with data.table and data.from", t.Name)
	case from.CSV == "":
		return fmt.Errorf("task %s: data.from is missing, want {csv: FILE}: the clients of a simulation have no data of their own", t.Name)
	}
	o, err := d.readOwn("data.from", from.CSV, from.Decimal)
	if err != nil {
		return fmt.Errorf("task %s: data.from: %w", t.Name, err)
	}
	d.labels = o.Labels()
	d.Shards = [][]int32{everything(o.Len())}
	schema := d.Own
	if t.Strategy.Scheme().Central { // one client with all examples
		schema = &data.Schema{Table: d.Own.Table, Scale: d.Own.Scale, Holdout: d.Own.Holdout}
	} else if d.Shards, err = partition(o.Len(), d.labels, d.Labels(), from.Partition, rng.Derive(t.DataSeed(), "partition")); err != nil {
		return fmt.Errorf("task %s: data.from.partition: %w", t.Name, err)
	}
	for i, rows := range d.Shards {
		part, err := o.Part(schema, rows, rng.Derive(t.DataSeed(), "own", uint64(i)))
		if err != nil {
			return fmt.Errorf("task %s: data.from: client %d of %d: %w", t.Name, i, len(d.Shards), err)
		}
		d.Parts = append(d.Parts, part)
	}
	return nil
}

// readOwn reads a table of the organiser as a participant would. setting is that which
// names the file.
func (d *Dataset) readOwn(setting, path, decimal string) (*data.Own, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	whole := &data.Schema{Table: d.Own.Table, Scale: d.Own.Scale} // all of it, whatever a participant may have
	rows, err := data.ReadOwn(f, path, whole, data.OwnCSV{Decimal: Dialect("", decimal, "").Decimal, Size: f.size})
	if err != nil {
		return nil, err
	}
	if rows.Question != nil {
		return nil, fmt.Errorf("%s: %v; want %s.decimal: point or comma", path, rows.Question, setting)
	}
	for _, note := range rows.Notes {
		d.Notes = append(d.Notes, setting+": "+note)
	}
	if rows.Rejected > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s: %d rows have problems and are left out; the first: %v", setting, rows.Rejected, rows.Problems[0]))
	}
	return rows.Own(0, true)
}

// ownSummary says what participants bring.
func ownSummary(s *data.Schema) string {
	classes := "own data: %s"
	if all := s.Classes(); len(all) <= 4 {
		classes += ", classes " + strings.Join(all[:max(len(all)-1, 0)], ", ")
		if len(all) > 0 {
			classes += " and " + all[len(all)-1]
		}
	} else {
		classes += fmt.Sprintf(", %d classes", len(all))
	}
	if im := s.Images; im != nil {
		colour := "grey"
		if im.Channels == 3 {
			colour = "coloured"
		}
		return fmt.Sprintf(classes, fmt.Sprintf("%s images of %d x %d pixels", colour, im.Width, im.Height))
	}
	features := "1 feature"
	if n := len(s.Table.Features); n != 1 {
		features = fmt.Sprintf("%d features", n)
	}
	if s.Classes() == nil {
		return fmt.Sprintf("own data: %s, to predict %s", features, s.Table.Label.Name)
	}
	return fmt.Sprintf(classes, features)
}

// ownHash returns the hash of what training depends on in a schema: not of how values
// and columns may be written, and of how many examples a participant may have.
func ownHash(s *data.Schema) [32]byte {
	c := *s
	c.Min, c.Max = 0, 0
	if s.Images != nil {
		im := *s.Images
		im.Drawn = false
		c.Images = &im
	} else {
		plain := func(f data.Field) data.Field {
			f.Columns, f.Aliases = nil, nil
			return f
		}
		table := data.TableSchema{Label: plain(s.Table.Label)}
		for _, f := range s.Table.Features {
			table.Features = append(table.Features, plain(f))
		}
		c.Table = &table
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // a bug: a task is finite numbers and texts
	}
	return sha256.Sum256(text)
}

// SetConstants gives the constants by which all participants standardise: versions
// are evaluated on the test file, and exported, with them. It may be called at any time
// by any goroutine. It does nothing to images. The error wraps data.ErrFormat.
func (d *Dataset) SetConstants(c data.Constants) error {
	if d.Own.Table == nil {
		return nil
	}
	return d.use(c)
}

// ForgetConstants undoes SetConstants, for another run on the same data.
func (d *Dataset) ForgetConstants() error {
	if d.Own == nil || d.Own.Table == nil {
		return nil
	}
	return d.use(data.Plain(len(d.Own.Table.Numbers())))
}

// use encodes the rows of the test file by constants.
func (d *Dataset) use(c data.Constants) error {
	e, err := d.Own.Table.Encoding(c)
	if err != nil {
		return err
	}
	s := &standard{encoding: e}
	if d.test != nil {
		if s.test, err = d.test.Train(c); err != nil {
			return err
		}
	}
	d.standard.Store(s)
	return nil
}

// standard is what follows from the constants of own data.
type standard struct {
	encoding *data.Encoding
	test     data.Examples // of the test file; nil: there is none
}

// Encoding returns how rows of a table become features: nil for images. That of own
// data leaves numbers as they are until SetConstants.
func (d *Dataset) Encoding() *data.Encoding {
	if s := d.standard.Load(); s != nil {
		return s.encoding
	}
	return d.encoding
}

// Shape returns the shape of an example.
func (d *Dataset) Shape() []int {
	if d.Own != nil {
		return d.Own.Shape()
	}
	return d.Train.Shape
}

// Labels returns the number of classes, 0 if numbers are predicted.
func (d *Dataset) Labels() int {
	if d.Own != nil {
		return len(d.Own.Classes())
	}
	return d.Train.Classes()
}

// Pixels returns how the pixels of images become features.
func (d *Dataset) Pixels() data.Scaling {
	if d.Own != nil {
		return data.Scaling{Scale: 1. / 255}
	}
	return d.Train.Scaling()
}

// tests returns the examples that versions are evaluated on; nil: the coordinator has
// none.
func (d *Dataset) tests() data.Examples {
	switch {
	case d.test != nil:
		return ownTest{d}
	case d.Test != nil:
		return d.Test
	}
	return nil
}

// ownTest are the rows of a test file, standardised as they are when they are read.
type ownTest struct{ of *Dataset }

// Len implements [data.Examples].
func (t ownTest) Len() int { return t.of.test.Trained() }

// Features implements [data.Examples].
func (t ownTest) Features() int { return t.of.Own.Table.Width() }

// Classes implements [data.Examples].
func (t ownTest) Classes() int { return t.of.Labels() }

// Fill implements [data.Examples].
func (t ownTest) Fill(x, y []float32, index []int32) {
	t.of.standard.Load().test.Fill(x, y, index)
}
