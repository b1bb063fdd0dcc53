package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"

	"fedtab/coordinator/dataset"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

func predictCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("predict", flag.ContinueOnError)
	name := fs.String("model", "", "safetensors file that coordinator export has written, of a model of a table")
	table := fs.String("data", "", "CSV file of the rows, with the columns that the model was trained with")
	outFile := fs.String("out", "-", "CSV file to write the predictions to, - for standard output")
	written := dialectFlags(fs, "--data")
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	switch {
	case *name == "":
		return usageError("predict: --model is missing, want a file that coordinator export has written")
	case *table == "":
		return usageError("predict: --data is missing, want a CSV file")
	}
	dialect, err := written.read("predict")
	if err != nil {
		return err
	}
	p, err := loadPredictor(*name)
	if err != nil {
		return fmt.Errorf("--model %s: %w", *name, err)
	}
	in, err := dataset.OpenFile(*table)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	defer in.Close()
	rows, err := data.ReadRows(in, *table, p.Encoding, dialect)
	if err != nil {
		return err
	}
	z, err := learn.Outputs(p.model, p.Params, rows.Features)
	if err != nil {
		return err
	}
	out, err := create("--out", *outFile, stdout)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := errors.Join(p.write(out, z), out.Close()); err != nil {
		return fmt.Errorf("--out %s: %w", *outFile, err)
	}
	return p.judge(stderr, rows)
}

// predictor is a model of a table.
type predictor struct {
	*export.Model
	model learn.Model
}

func loadPredictor(path string) (*predictor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, export.MaxFile+1)) // Read refuses more than that
	if err != nil {
		return nil, err
	}
	m, err := export.Read(text)
	if err != nil {
		return nil, err
	}
	if m.Encoding == nil {
		return nil, errors.New("is a model of images, want one of a table")
	}
	model, err := learn.New(m.Spec)
	if err != nil {
		return nil, err
	}
	return &predictor{m, model}, nil
}

// write writes a line for each row with outputs z: the predicted number; or the class,
// and the probability or score of each.
func (p *predictor) write(w io.Writer, z []float32) error {
	buffered := bufio.NewWriter(w)
	out := csv.NewWriter(buffered)
	line := []string{"prediction"}
	kind := "probability_"
	if !p.Spec.HasProbabilities() {
		kind = "score_"
	}
	for _, c := range p.Classes {
		line = append(line, kind+c)
	}
	out.Write(line) // Flush's error is kept
	scores := make([]float64, len(p.Classes))
	k := p.Spec.Outputs()
	for ; len(z) > 0; z = z[k:] {
		line = line[:0]
		if target := p.Encoding.Target; p.Classes == nil {
			line = append(line, strconv.FormatFloat(target.Mean+target.Deviation*float64(z[0]), 'g', 9, 64))
		} else {
			line = append(line, p.Classes[p.Spec.Class(z[:k])])
			p.Spec.Scores(scores, z[:k])
		}
		for _, s := range scores {
			line = append(line, strconv.FormatFloat(s, 'g', 6, 64))
		}
		out.Write(line)
	}
	out.Flush()
	return errors.Join(out.Error(), buffered.Flush())
}

// judge writes the figures of the rows that have a target.
func (p *predictor) judge(w io.Writer, rows *data.Rows) error {
	target := p.Encoding.Target
	set, err := known(p.Encoding, rows)
	if err != nil {
		return err
	}
	if set.Len() == 0 {
		fmt.Fprintf(w, "%d rows, none with %s\n", rows.Len(), target.Name)
		return nil
	}
	metrics, err := learn.Evaluate(p.model, p.Params, set, runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	without := ""
	if n := rows.Len() - set.Len(); n > 0 {
		without = fmt.Sprintf("; %d more rows without %s", n, target.Name)
	}
	if p.Classes == nil {
		f := metrics.InUnits(target.Mean, target.Deviation).Figures()
		fmt.Fprintf(w, "%d rows: RMSE %.9g, MAE %.9g, R2 %.6f%s\n", f.Examples, f.RMSE, f.MAE, f.R2, without)
		return nil
	}
	f := metrics.Figures()
	fmt.Fprintf(w, "%d rows: accuracy %.2f%% (%d right), balanced accuracy %.2f%%, F1 %.4f%s\n",
		f.Examples, 100*f.Accuracy, metrics.Correct, 100*f.BalancedAccuracy, f.F1, without)
	return nil
}

// known returns the rows that have a target.
func known(e *data.Encoding, rows *data.Rows) (*data.Set, error) {
	features := len(e.Features())
	values, labels, targets := []float32{}, []uint8{}, []float32{}
	for i, y := range rows.Targets {
		if math.IsNaN(y) {
			continue
		}
		values = append(values, rows.Features[i*features:][:features]...)
		labels = append(labels, uint8(y))
		targets = append(targets, float32((y-e.Target.Mean)/e.Target.Deviation))
	}
	if e.Target.Classes == nil {
		return data.NewMeasured([]int{features}, values, targets)
	}
	return data.NewLabelled([]int{features}, values, labels, len(e.Target.Classes))
}
