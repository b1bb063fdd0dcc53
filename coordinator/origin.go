package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/models"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
	"fedtab/run"
	"fedtab/simulation"
)

// source is where the model is that a run starts from: a version of a run, or a file.
type source struct {
	run     store.Run
	version uint64

	name    string // of a file; empty: a run
	content []byte
}

// String is the origin of a run that starts from the source, as the database has it.
func (s *source) String() string {
	if s.name == "" {
		return fmt.Sprintf("version %d of %s", s.version, s.run.ID)
	}
	return fmt.Sprintf("file %s, SHA-256 %x", s.name, sha256.Sum256(s.content))
}

// origin is the model that a run starts from, as its version 1.
type origin struct {
	text      string // in the database
	params    []float32
	constants *data.Constants // that standardise own data as the model expects it; nil: none do
}

// modelExt is the extension of files that hold a model to start from.
const modelExt = ".safetensors"

// findSource returns what spec names: a file, if it ends in .safetensors or there is one of
// that name; RUN or RUN@VERSION otherwise, where RUN is the identity of a run or the name of
// a task, for its newest run that has a version, and VERSION is newest, best or a number. The
// run with the identity but is not looked at where a task is named.
func findSource(s *store.Store, spec, but string) (*source, error) {
	if isFile(spec) {
		return readSource(spec)
	}
	return runSource(s, spec, but)
}

// runSource is findSource for what names a run: who asks from afar names no file here.
func runSource(s *store.Store, spec, but string) (*source, error) {
	name, want, ok := strings.Cut(spec, "@")
	if !ok {
		want = "newest"
	}
	r, found, err := findRun(s, name)
	if err == nil && !found {
		r, found, err = latestModel(s, name, but)
	}
	if err == nil && !found {
		err = errors.New("want a run, or a task with a run that has a version, in this database, or a file that ends in " + modelExt)
	}
	if err != nil {
		return nil, err
	}
	saved, err := s.Load(r.ID)
	if err != nil {
		return nil, err
	}
	src := &source{run: r}
	if src.version, err = models.Pick(saved.Rounds, want); err != nil {
		return nil, fmt.Errorf("run %s: %w", r.ID, err)
	}
	return src, nil
}

// isFile reports whether a model to start from is named by a file.
func isFile(spec string) bool {
	if filepath.Ext(spec) == modelExt {
		return true
	}
	info, err := os.Stat(spec)
	return err == nil && info.Mode().IsRegular()
}

// savedFrom returns the state of a simulation that starts from a safetensors file.
func savedFrom(path string, t *task.Task, d *dataset.Dataset) (saved *run.Saved, model string, err error) {
	src, err := readSource(path)
	if err != nil {
		return nil, "", err
	}
	m, err := d.Model(t)
	if err != nil {
		return nil, "", err
	}
	o, err := readOrigin(nil, src, t, d, m)
	if err != nil {
		return nil, "", err
	}
	first, err := o.first("simulation", t, d, m, false, simulation.Epoch)
	return &run.Saved{Last: &first, Rounds: []run.RoundRecord{first.Record()}, Constants: o.constants}, o.text, err
}

func readSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, export.MaxOtherFile+1))
	if err == nil && len(content) > export.MaxOtherFile {
		err = fmt.Errorf("more than %d bytes, want a model of at most %d parameters", export.MaxOtherFile, learn.MaxParameters)
	}
	return &source{name: filepath.Base(path), content: content}, err
}

// latestModel is the store's LatestModel for the runs of a task but one.
func latestModel(s *store.Store, name, but string) (store.Run, bool, error) {
	r, ok, err := s.LatestModel(name)
	if err != nil || !ok || r.ID != but {
		return r, ok, err
	}
	runs, err := s.Runs(store.Filter{Task: name})
	for _, older := range runs {
		if older.ID != but && older.Version > 0 && err == nil {
			return s.FindRun(older.ID)
		}
	}
	return store.Run{}, false, err
}

// readOrigin reads the model for a run of t with the data d and the model m. An error says
// what differs.
func readOrigin(s *store.Store, src *source, t *task.Task, d *dataset.Dataset, m learn.Model) (*origin, error) {
	if err := startable(t); err != nil {
		return nil, err
	}
	if src.name != "" {
		params, described, err := models.Read(src.content, m)
		if err != nil {
			return nil, err
		}
		return newOrigin(src.String(), params, described, t, d, m)
	}
	have, was, err := storedModel(s, src.run, fmt.Sprint(src.version))
	if errors.Is(err, store.ErrNotKept) {
		kept, e := s.Kept(src.run.ID)
		err = errors.Join(fmt.Errorf("%w, want one of %s", err, ranges(kept)), e)
	}
	if err != nil {
		return nil, err
	}
	if have.Encoding != nil && was.Own == nil && src.run.DataHash != [32]byte{} {
		if err := was.Pack(""); err != nil {
			return nil, err
		}
		if was.Hash != src.run.DataHash {
			return nil, fmt.Errorf("the data of run %s has changed since, and its columns may be standardised otherwise: want a file that export wrote before", src.run.ID)
		}
	}
	return newOrigin(src.String(), have.Params, have, t, d, m)
}

// startable says why a run of t cannot start from a model.
func startable(t *task.Task) error {
	switch {
	case t.Strategy.Scheme().Ends:
		return fmt.Errorf("%s ends with its first version, which would be the model to start from: want another scheme, such as periodic with stop.rounds: 2", t.Strategy.Kind)
	case t.Stop.Rounds == 1:
		return errors.New("stop.rounds is 1, and the model to start from is version 1: want 2 or more")
	}
	return nil
}

// newOrigin fits parameters to a run of t. described is what their file says of them; nil: it
// says nothing.
func newOrigin(text string, params []float32, described *export.Model, t *task.Task, d *dataset.Dataset, m learn.Model) (*origin, error) {
	o := &origin{text: text, params: params}
	var table *data.TableSchema // of own data
	var scale data.Scale
	if d.Own != nil {
		table, scale = d.Own.Table, d.Own.Scale
	}
	if described == nil {
		if table != nil && scale == data.FederatedScale && len(table.Numbers()) > 0 {
			return nil, errors.New("the file does not say how its columns are standardised: want one that export has written, or data.standardise: local or none")
		}
		return o, nil
	}
	want := models.Of(t, d, m.Spec(), "", 0, nil, [32]byte{})
	if err := models.Compare(described, want); err != nil {
		return nil, err
	}
	switch {
	case want.Encoding == nil || scale == data.LocalScale: // participants standardise by their own figures
		return o, nil
	case scale == data.FederatedScale:
		c := models.Constants(table, described.Encoding)
		o.constants = &c
		return o, nil
	}
	return o, models.Rescale(o.params, m, described.Encoding, want.Encoding)
}

// first returns the commit of version 1 of a run that starts from the model. live says
// whether its participants come and go.
func (o *origin) first(id string, t *task.Task, d *dataset.Dataset, m learn.Model, live bool, at time.Time) (run.Commit, error) {
	scheme, err := d.Strategy(t, m, live, t.SamplingSeed())
	if err != nil {
		return run.Commit{}, err
	}
	return run.First(run.Config{
		ID: id, Seed: t.StartSeed(), Model: m, Strategy: scheme, Sums: t.Strategy.Sums(), MaxScale: t.MaxScale, Packing: t.Compress.Run(m.Layout().Size),
	}, o.params, at)
}
