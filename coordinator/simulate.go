package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/models"
	"fedtab/coordinator/simulate"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/run"

	"github.com/spf13/cobra"
)

func simulateCommand() *cobra.Command {
	var sets list
	c := &cobra.Command{
		Use: "simulate", Short: "run a task without a network, in virtual time",
		Example: examples("coordinator simulate --task mnist-2nn --json result.json", "coordinator simulate --task mnist-2nn --json result.json --resume", "coordinator simulate --task mnist-2nn --seed 2 --set strategy.fraction=0.2 --set data.partition.clients=50"),
	}
	fs := c.Flags()
	name := fs.String("task", "", "task that ships, or a task file")
	from := fs.String("from", "", "safetensors file of fedtab or PyTorch: the model that the run starts from, as its version 1")
	seed := fs.String("seed", "", "seed of the run, in place of the task's")
	jsonFile := fs.String("json", "", "write the result to this file, - for standard output")
	ledgerFile := fs.String("ledger", "", "write what every client sent and received in every round to this file, a line of JSON each")
	modelFile := fs.String("out", "", "write the last version to this file: .safetensors, or .onnx")
	resume := fs.Bool("resume", false, "go on with the interrupted simulation of the file of --json")
	timingFile := fs.String("timing", "", "write the wall-clock times to this file")
	fs.Var(&sets, "set", "change one setting of the task, as in strategy.fraction=0.2 (may be repeated)")
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		if *name == "" {
			return usageError("simulate: --task is missing (coordinator tasks lists those that ship)")
		}
		if *seed != "" {
			if _, err := strconv.ParseUint(*seed, 10, 64); err != nil {
				return usageError(fmt.Sprintf("simulate: --seed is %q, want a whole number from 0 to 2^64-1", *seed))
			}
			sets = append(sets, "seed="+*seed)
		}
		if *resume && !toFile(*jsonFile) {
			return usageError(fmt.Sprintf("simulate: --resume goes on with the result in a file, and --json is %q, want a file", *jsonFile))
		}
		format := strings.TrimPrefix(filepath.Ext(*modelFile), ".")
		if *modelFile != "" && format != "safetensors" && format != "onnx" {
			return usageError(fmt.Sprintf("simulate: --out is %q, want a name that ends in .safetensors or .onnx", *modelFile))
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
		var saved *run.Saved
		var origin string // of the model that it begins with
		if *from != "" {
			if saved, origin, err = savedFrom(*from, t, d); err != nil {
				return fmt.Errorf("--from %s: %w", *from, err)
			}
		}
		var about simulate.Origin
		var checkpoint *simulate.Checkpoint // nil: none is kept
		if *jsonFile != "" {
			about = causes(t, d)
			if origin != "" {
				about.Settings["--from"] = origin
			}
		}
		if *resume {
			if checkpoint, err = resumeCheckpoint(*jsonFile, about, stderr); checkpoint == nil {
				if err == nil && *modelFile != "" {
					return fmt.Errorf("--out: %s has no model, want the simulation without --resume to make it again", *jsonFile)
				}
				return err
			}
			defer checkpoint.Close()
		}
		// Open the output files before the work, so that an error is found first.
		out, err := createWhole("--json", *jsonFile, stdout)
		if err != nil {
			return err
		}
		defer out.Close()
		if checkpoint == nil && toFile(*jsonFile) {
			if checkpoint, err = beginCheckpoint(*jsonFile, about, stderr); err != nil {
				return err
			}
			defer checkpoint.Close()
		}
		if checkpoint != nil {
			warnOf(checkpoint, stderr)
		}
		timing, err := createWhole("--timing", *timingFile, nil)
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
		model, err := createWhole("--out", *modelFile, nil)
		if err != nil {
			return err
		}
		defer model.Close()

		for _, note := range d.Notes {
			fmt.Fprintf(stderr, "%s: %s\n", t.Name, note)
		}
		began, earlier := time.Now(), 0. // seconds of the rounds before an interruption
		redone := false                  // the newest round is taken from the checkpoint
		times := wallClock{}
		res, err := simulate.Run(ctx, t, d, simulate.Options{
			OnRound: func(r simulate.Round, w simulate.Timing) {
				times.Seconds = append(times.Seconds, w.Seconds)
				times.Samples += w.Samples
				if redone = w.Redone; redone {
					began, earlier = time.Now(), earlier+w.Seconds
					return
				}
				progress(stderr, r, w, left(times.Seconds, t.Stop.Rounds, int(r.Round)))
			},
			From:   saved,
			Model:  origin,
			Ledger: wanted(*ledgerFile, lines),
			OnCheck: func(c simulate.Check) {
				fmt.Fprintf(stderr, "step %5d  version %d%s%s  distance %.3g  %d models up, %d down\n", c.Steps, c.Version,
					figure("  test loss %.4f", c.TestLoss, 1), figure("  accuracy %.2f%%", c.TestAccuracy, 100)+figure("  RMSE %.4g", c.TestRMSE, 1), c.Distance, c.ModelsUp, c.ModelsDown)
			},
			Checkpoint: checkpoint,
		})
		if res != nil && *jsonFile != "" {
			res.DataSHA256, res.Program = hex.EncodeToString(about.Data[:]), about.Program
		}
		if err != nil {
			err = errors.Join(err, lines.Flush(), ledger.Close())
			if *jsonFile != "" && res != nil && len(res.Rounds) > 0 && !redone { // what is done is kept
				if werr := errors.Join(res.WriteJSON(out), out.done()); werr != nil {
					return errors.Join(err, fmt.Errorf("--json %s: %w", *jsonFile, werr))
				}
				fmt.Fprintf(stderr, "--json %s: has the %d rounds that are done\n", *jsonFile, len(res.Rounds))
			}
			return errors.Join(err, leaveCheckpoint(checkpoint, err, stderr))
		}
		times.TotalSeconds = earlier + time.Since(began).Seconds()
		times.SamplesPerSecond = float64(times.Samples) / times.TotalSeconds
		fmt.Fprintf(stderr, "%s: %s after %d rounds%s, %.1f s, %.0f samples/s; %s\n", t.Name, res.Final.Reason,
			res.Final.Round, figure(", backdoor %.2f%%", res.Final.BackdoorSuccess, 100), times.TotalSeconds, times.SamplesPerSecond, traffic(&res.Final))
		if *timingFile != "" {
			e := json.NewEncoder(timing)
			e.SetIndent("", "  ")
			if err := errors.Join(e.Encode(times), timing.done()); err != nil {
				return fmt.Errorf("--timing %s: %w", *timingFile, err)
			}
		}
		if err := errors.Join(lines.Flush(), ledger.Close()); err != nil {
			return fmt.Errorf("--ledger %s: %w", *ledgerFile, err)
		}
		if *modelFile != "" {
			if err := errors.Join(writeModel(model, t, d, res, format), model.done()); err != nil {
				return fmt.Errorf("--out %s: %w", *modelFile, err)
			}
		}
		if *jsonFile != "" {
			if err := errors.Join(res.WriteJSON(out), out.done()); err != nil {
				return fmt.Errorf("--json %s: %w", *jsonFile, err)
			}
		}
		return leaveCheckpoint(checkpoint, nil, stderr)
	})
	return c
}

// writeModel writes the last version of a simulation as a file of a model.
func writeModel(w io.Writer, t *task.Task, d *dataset.Dataset, res *simulate.Result, format string) error {
	m, err := d.Model(t)
	if err != nil {
		return err
	}
	file, err := models.File(models.Of(t, d, m.Spec(), "simulation", res.Final.Round, res.Model, learn.Hash(res.Model)), format)
	if err == nil {
		_, err = w.Write(file)
	}
	return err
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

// left returns in words how long the rounds that are left take at most, empty while that is
// not known.
func left(seconds []float64, rounds, done int) string {
	if rounds <= done || done < 2 {
		return ""
	}
	var sum float64
	for _, s := range seconds {
		sum += s
	}
	d := time.Duration(sum / float64(done) * float64(rounds-done) * float64(time.Second))
	return "  at most " + d.Round(time.Second).String() + " left"
}

// progress tells of a round: on a terminal in a line that the next one replaces.
func progress(w io.Writer, r simulate.Round, wall simulate.Timing, left string) {
	line := fmt.Sprintf("round %3d  %d clients", r.Round, r.Participants)
	if p := r.Privacy; p != nil { // how many there were is not told
		line = fmt.Sprintf("round %3d", r.Round) + figure("  epsilon %.3f", p.Epsilon, 1)
	}
	line += figure("  train loss %.4f", r.TrainLoss, 1) +
		figure("  test loss %.4f", r.TestLoss, 1) +
		figure("  accuracy %.2f%%", r.TestAccuracy, 100) +
		figure("  RMSE %.4g", r.TestRMSE, 1) +
		figure("  validation accuracy %.2f%%", r.ValidationAccuracy, 100) +
		figure("  validation RMSE %.4g", r.ValidationRMSE, 1) +
		figure("  R2 %.4f", r.TestR2, 1) +
		figure("  backdoor %.2f%%", r.BackdoorSuccess, 100)
	if isTerminal(w) {
		fmt.Fprintf(w, "\r%s  %.2f s%s\x1b[K", line, wall.Seconds, left)
		return
	}
	fmt.Fprintf(w, "%s  %.2f s\n", line, wall.Seconds)
}

// traffic formats the bytes of a run, per direction and per parameter.
func traffic(f *simulate.Final) string {
	const bits = " at %.2f bits a parameter"
	return bytesText(f.BytesUp) + " up" + figure(bits, f.BitsUp, 1) +
		", " + bytesText(f.BytesDown) + " down" + figure(bits, f.BitsDown, 1) +
		figure("; the same models as raw float32 would be %.1f times as much", f.RawRatio, 1)
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
