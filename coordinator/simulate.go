package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/simulate"
)

func simulateCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var sets list
	fs := flag.NewFlagSet("simulate", flag.ContinueOnError)
	name := fs.String("task", "", "task that ships, or a task file")
	seed := fs.String("seed", "", "seed of the run, in place of the task's")
	jsonFile := fs.String("json", "", "write the result to this file, - for standard output")
	ledgerFile := fs.String("ledger", "", "write what every client sent and received in every round to this file, a line of JSON each")
	timingFile := fs.String("timing", "", "write the wall-clock times to this file")
	fs.Var(&sets, "set", "change one setting of the task, as in strategy.fraction=0.2 (may be repeated)")
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	if *name == "" {
		return usageError("simulate: --task is missing (coordinator tasks lists those that ship)")
	}
	if *seed != "" {
		if _, err := strconv.ParseUint(*seed, 10, 64); err != nil {
			return usageError(fmt.Sprintf("simulate: --seed is %q, want a whole number from 0 to 2^64-1", *seed))
		}
		sets = append(sets, "seed="+*seed)
	}
	t, err := flagTask("--task", *name, sets)
	if err != nil {
		return err
	}
	d, err := dataset.Open(t)
	if err != nil {
		return err
	}
	if err := d.Divide(t); err != nil {
		return err
	}
	// Open the output files before the work, so that an error is found first.
	out, err := create("--json", *jsonFile, stdout)
	if err != nil {
		return err
	}
	defer out.Close()
	timing, err := create("--timing", *timingFile, nil)
	if err != nil {
		return err
	}
	defer timing.Close()
	ledger, err := create("--ledger", *ledgerFile, stdout)
	if err != nil {
		return err
	}
	defer ledger.Close()
	lines := bufio.NewWriter(ledger)

	for _, note := range d.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", t.Name, note)
	}
	began := time.Now()
	times := wallClock{}
	res, err := simulate.Run(ctx, t, d, simulate.Options{
		OnRound: func(r simulate.Round, w simulate.Timing) {
			times.Seconds = append(times.Seconds, w.Seconds)
			times.Samples += w.Samples
			progress(stderr, r, w)
		},
		Ledger: wanted(*ledgerFile, lines),
		OnCheck: func(c simulate.Check) {
			fmt.Fprintf(stderr, "step %5d  version %d%s%s  distance %.3g  %d models up, %d down\n", c.Steps, c.Version,
				figure("  test loss %.4f", c.TestLoss, 1), figure("  accuracy %.2f%%", c.TestAccuracy, 100)+figure("  RMSE %.4g", c.TestRMSE, 1), c.Distance, c.ModelsUp, c.ModelsDown)
		},
	})
	if err != nil {
		return err
	}
	times.TotalSeconds = time.Since(began).Seconds()
	times.SamplesPerSecond = float64(times.Samples) / times.TotalSeconds
	fmt.Fprintf(stderr, "%s: %s after %d rounds%s, %.1f s, %.0f samples/s; %s\n", t.Name, res.Final.Reason,
		res.Final.Round, figure(", backdoor %.2f%%", res.Final.BackdoorSuccess, 100), times.TotalSeconds, times.SamplesPerSecond, traffic(&res.Final))
	if *timingFile != "" {
		e := json.NewEncoder(timing)
		e.SetIndent("", "  ")
		if err := errors.Join(e.Encode(times), timing.Close()); err != nil {
			return fmt.Errorf("--timing %s: %w", *timingFile, err)
		}
	}
	if err := errors.Join(lines.Flush(), ledger.Close()); err != nil {
		return fmt.Errorf("--ledger %s: %w", *ledgerFile, err)
	}
	if *jsonFile != "" {
		if err := errors.Join(res.WriteJSON(out), out.Close()); err != nil {
			return fmt.Errorf("--json %s: %w", *jsonFile, err)
		}
	}
	return nil
}

// wallClock is the content of --timing.
type wallClock struct {
	Seconds          []float64 `json:"seconds"` // of each round, its evaluation included
	TotalSeconds     float64   `json:"total_seconds"`
	Samples          int64     `json:"samples"`
	SamplesPerSecond float64   `json:"samples_per_second"`
}

// figure formats *x * scale; "" if x is nil.
func figure(format string, x *float64, scale float64) string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf(format, *x*scale)
}

func progress(w io.Writer, r simulate.Round, wall simulate.Timing) {
	line := fmt.Sprintf("round %3d  %d clients", r.Round, r.Participants) +
		figure("  train loss %.4f", r.TrainLoss, 1) +
		figure("  test loss %.4f", r.TestLoss, 1) +
		figure("  accuracy %.2f%%", r.TestAccuracy, 100) +
		figure("  RMSE %.4g", r.TestRMSE, 1) +
		figure("  R2 %.4f", r.TestR2, 1) +
		figure("  backdoor %.2f%%", r.BackdoorSuccess, 100)
	fmt.Fprintf(w, "%s  %.2f s\n", line, wall.Seconds)
}

// traffic formats the bytes of a run, per direction and per parameter.
func traffic(f *simulate.Final) string {
	const bits = " at %.2f bits a parameter"
	return bytesText(f.BytesUp) + " up" + figure(bits, f.BitsUp, 1) +
		", " + bytesText(f.BytesDown) + " down" + figure(bits, f.BitsDown, 1) +
		figure("; raw float32 is %.1f times as much", f.RawRatio, 1)
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// wanted returns w, or nil if the file name is empty.
func wanted(name string, w io.Writer) io.Writer {
	if name == "" {
		return nil
	}
	return w
}

// output is a file, or standard output, which stays open.
type output struct {
	io.Writer
	file *os.File
}

func (o *output) Close() error {
	if o == nil || o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	return f.Close()
}

// create opens the file of a flag for writing; "" writes nowhere, "-" to standard output.
func create(flag, name string, stdout io.Writer) (*output, error) {
	switch {
	case name == "":
		return &output{Writer: io.Discard}, nil
	case name == "-" && stdout != nil:
		return &output{Writer: stdout}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &output{Writer: f, file: f}, nil
}
