package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fedtab/coordinator/compare"
	"fedtab/learn/kernel"

	"github.com/spf13/cobra"
)

func compareCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "compare FILE", Short: "run an experiment: a task in several variants, seeds and settings, as tables and figures",
		Example: examples("coordinator compare experiments/article.yaml --out results", "coordinator compare experiments/article.yaml --out results --only radon,lambda"),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError(fmt.Sprintf("compare: %q after %s, want one FILE", args[1], args[0]))
			}
			return nil
		},
	}
	fs := c.Flags()
	out := fs.String("out", "", "folder of the page, the tables and the figures; empty: the verdicts alone are printed")
	cache := fs.String("cache", "", "folder of the results of simulations, none of which is made twice; empty: fedtab/compare in the user's folder of caches")
	jobs := fs.Int("jobs", runtime.GOMAXPROCS(0), "simulations side by side")
	only := fs.String("only", "", "parts that are run, with commas between them; empty: all")
	trust := fs.Bool("any-program", false, "take results of the cache that other builds have made: where they simulate alike")
	plan := fs.Bool("plan", false, "print the command of every simulation, and run none")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError("compare: FILE is missing, want an experiment such as experiments/article.yaml")
		}
		return action(func(ctx context.Context, stdout, stderr io.Writer) error {
			path := args[0]
			if *jobs < 1 {
				return usageError(fmt.Sprintf("compare: --jobs is %d, want 1 or more", *jobs))
			}
			f, err := compare.Load(path)
			if err != nil {
				return err
			}
			if *only != "" {
				if err := f.Only(strings.Split(*only, ",")); err != nil {
					return usageError("compare: --only: " + err.Error())
				}
			}
			cells, err := f.Plan(path)
			if err != nil {
				return err
			}
			if *plan {
				for _, cell := range cells {
					fmt.Fprintln(stdout, cell.Command())
				}
				return nil
			}
			dir := *cache
			if dir == "" {
				if dir, err = os.UserCacheDir(); err != nil {
					return usageError(fmt.Sprintf("compare: there is no folder for the cache (%v), want --cache DIR", err))
				}
				dir = filepath.Join(dir, "fedtab", "compare")
			}
			for _, d := range []string{dir, *out} {
				if d != "" {
					if err := os.MkdirAll(d, 0o755); err != nil {
						return fmt.Errorf("compare: %w", err)
					}
				}
			}
			program, err := compare.Program(kernel.Name())
			if err != nil {
				return err
			}
			began, taken := time.Now(), 0
			show := cellProgress(stderr)
			r := compare.Runner{
				Cache: &compare.Cache{Dir: dir, Program: program, Any: *trust}, Jobs: *jobs,
				Tell: func(p compare.Progress) {
					if p.Taken {
						taken++
					}
					show(p)
				},
				Warn: func(err error) { fmt.Fprintln(stderr, err) },
			}
			outcomes, err := r.Run(ctx, cells)
			if err != nil {
				done := 0
				for _, o := range outcomes {
					if o != nil {
						done++
					}
				}
				word := "stopped"
				if ctx.Err() != nil {
					word = "interrupted"
				}
				return fmt.Errorf("compare: %s, %d of %d simulations are done and kept, the same command goes on: %w", word, done, len(cells), err)
			}
			report, err := f.Assemble(ctx, outcomes)
			if err != nil {
				return err
			}
			report.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			report.Command = "coordinator compare " + compare.Quoted(path)
			if *out != "" {
				report.Command += " --out " + compare.Quoted(*out)
			}
			if *only != "" { // beside the whole page, not over it
				report.Command += " --only " + *only
				report.Name += "-" + strings.ReplaceAll(*only, ",", "-")
			}
			report.Program = "fedtab " + build() + ", " + runtime.Version()
			report.Machine = fmt.Sprintf("%s/%s, %s, kernels %s", runtime.GOOS, runtime.GOARCH, processor(), kernel.Name())
			fmt.Fprintf(stderr, "%d simulations, %d of them made before, in %s\n", len(cells), taken, time.Since(began).Round(time.Second))
			for _, line := range report.Lines() {
				fmt.Fprintln(stdout, line)
			}
			if *out != "" {
				times, err := compare.Times(outcomes)
				if err = errors.Join(err, report.Write(*out)); err != nil {
					return err
				}
				if err := compare.Write(filepath.Join(*out, report.Name+".times.json"), times); err != nil {
					return err
				}
			}
			return report.Err()
		})(c, nil)
	}
	return c
}

// processor returns the name of the processor's kind, as Linux has it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// cellProgress tells how far an experiment is: on a terminal in a line that is replaced,
// elsewhere a line for each simulation.
func cellProgress(w io.Writer) func(compare.Progress) {
	live, erase := isTerminal(w), ""
	if live {
		erase = "\r\x1b[K"
	}
	var last time.Time
	return func(p compare.Progress) {
		left := ""
		if p.Left > 0 {
			left = "  about " + p.Left.Round(time.Second).String() + " left"
		}
		switch {
		case p.Over && p.Error != nil:
			fmt.Fprint(w, erase)
			fmt.Fprintf(w, "%s: ended early: %v\n", p.Cell, p.Error)
		case p.Over && !live && !p.Taken:
			fmt.Fprintf(w, "%d of %d  %s%s\n", p.Cells, p.All, p.Cell, left)
		}
		if live && (p.Over || time.Since(last) > time.Second/4) {
			last = time.Now()
			fmt.Fprintf(w, "%s%d of %d  %s%s", erase, p.Cells, p.All, p.Cell, left)
			if p.Cells == p.All {
				fmt.Fprintln(w)
			}
		}
	}
}
