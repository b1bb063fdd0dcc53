package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/simulate"
	"fedtab/coordinator/task"
	"fedtab/learn/kernel"
	"fedtab/simulation"
)

// checkpointSuffix is what the name of a simulation's checkpoint has behind that of its
// result.
const checkpointSuffix = ".resume"

// beginAnew is what remains to be done where there is nothing to go on with.
const beginAnew = "without --resume the simulation begins anew"

// causes are what the result of a simulation depends on.
func causes(t *task.Task, d *dataset.Dataset) simulate.Origin {
	return simulate.Origin{
		Program:  fmt.Sprintf("%s, %s %s/%s, kernels %s", build(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel.Name()),
		Settings: t.Settings(), Data: d.Content(),
	}
}

// toFile reports whether --json names a file that appears whole, which can have a
// checkpoint beside it.
func toFile(name string) bool {
	info, err := os.Stat(name)
	return name != "" && name != "-" && (err != nil || info.Mode().IsRegular())
}

// beginCheckpoint begins the checkpoint of a simulation whose result goes to a file. It says
// so if that is in place of another one.
func beginCheckpoint(result string, o simulate.Origin, stderr io.Writer) (*simulate.Checkpoint, error) {
	path := result + checkpointSuffix
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		fmt.Fprintf(stderr, "%s: has a simulation that was interrupted; without --resume this one begins anew and replaces it\n", path)
	}
	c, err := simulate.NewCheckpoint(path, o)
	if err != nil {
		return nil, fmt.Errorf("--json %s: %w", result, err)
	}
	return c, nil
}

// leaveCheckpoint is for a simulation that ended with err. The checkpoint stays where the
// simulation can go on from it, which it says, and is removed where that is over.
func leaveCheckpoint(c *simulate.Checkpoint, err error, stderr io.Writer) error {
	switch {
	case c == nil:
		return nil
	case err == nil, errors.Is(err, simulation.ErrStuck):
		return c.Remove()
	case errors.Is(err, simulate.ErrCheckpoint), !c.Kept(): // the error says what to do, or there is nothing to go on with
		return c.Close()
	}
	fmt.Fprintf(stderr, "%s: has its state, the same command with --resume goes on\n", c.Path())
	return c.Close()
}

// warnOf says it when a checkpoint is not written any more.
func warnOf(c *simulate.Checkpoint, stderr io.Writer) {
	c.Warn = func(err error) {
		fmt.Fprintf(stderr, "%s: is not written any more (%v); the simulation goes on, and after an interruption what is done now would be done again\n", c.Path(), err)
	}
}

// resumeCheckpoint opens the checkpoint beside a result. It is nil if the result is whole,
// of which it tells.
func resumeCheckpoint(result string, o simulate.Origin, stderr io.Writer) (*simulate.Checkpoint, error) {
	c, err := simulate.OpenCheckpoint(result+checkpointSuffix, o)
	if err == nil {
		fmt.Fprintf(stderr, "%s: goes on after round %d; what it has is repeated without training\n", c.Path(), c.Rounds())
		return c, nil
	}
	if errors.Is(err, simulate.ErrNoCheckpoint) {
		reason, notWhole := wholeResult(result, o)
		if notWhole == nil {
			fmt.Fprintf(stderr, "%s: is whole already (%s), nothing was done\n", result, reason)
			return nil, nil
		}
		err = fmt.Errorf("%w, %w: %s", err, notWhole, beginAnew)
	}
	return nil, fmt.Errorf("--resume: %w", err)
}

// wholeResult returns why the simulation ended whose result a file has, or an error if that
// is not the whole result of a simulation of the given origin.
func wholeResult(file string, o simulate.Origin) (reason string, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("and there is no %s", file)
	}
	var r simulate.Result
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("and %s is not the result of a simulation (%w)", file, err)
	case r.Settings == nil:
		return "", fmt.Errorf("and %s has no settings, as results of older builds", file)
	case !r.Complete:
		return "", fmt.Errorf("and %s ended with %q", file, r.Final.Reason)
	}
	differences := task.Differences(r.Settings, o.Settings)
	if len(differences) == 0 && r.DataSHA256 != hex.EncodeToString(o.Data[:]) {
		differences = append(differences, "the content of the data has changed")
	}
	if len(differences) > 0 {
		return "", fmt.Errorf("and %s has the whole result of another simulation (%s)", file, strings.Join(differences, "; "))
	}
	return fmt.Sprintf("%s after %d rounds", r.Final.Reason, r.Final.Round), nil
}
