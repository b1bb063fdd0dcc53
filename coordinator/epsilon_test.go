package main

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestEpsilon(t *testing.T) {
	for _, c := range []struct {
		args  string
		first string
		then  []string
	}{
		{"--noise 1.5 --rate .04 --steps 2250 --delta 1e-5 --accountant rdp", "7.32836", []string{
			"accountant  rdp, an upper bound: the best of 632 orders from 1.02 to 3618, which is 3.94\n",
			"adjacency   add-remove: a participant is there or not, the larger of both directions\n",
			"sampling    Poisson: each participant independently with probability 0.04 in each of 2250 steps, from a secret source, no redraw\n",
			"delta       1e-05, which must be less than 1 / participants\n",
		}},
		{"--noise 4 --rate 1 --steps 4 --delta 1e-5 --adjacency substitution", "4.37723", []string{
			"accountant  pld, losses on a grid of ", "bounds      4.3771", " <= epsilon <= 4.37723, rounding and truncation included\n",
			"exact       4.37718, as nothing is sampled\n", "adjacency   substitution: a participant's data are replaced by others; the pair of worst cases of Koskela et al. 2020\n",
			"sampling    none: every participant may take part in each of 4 steps\n",
		}},
		{"--noise 1000 --rate 1e-6 --steps 1 --delta 1e-5", "0", nil},
	} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"epsilon"}, strings.Fields(c.args)...), &out, &errs)
		first, rest, _ := strings.Cut(out.String(), "\n")
		if _, err := strconv.ParseFloat(first, 64); err != nil || code != 0 || first != c.first {
			t.Errorf("%s: exit code %d, %q and %q; want %s", c.args, code, first, errs.String(), c.first)
		}
		for _, want := range c.then {
			if !strings.Contains(rest, want) {
				t.Errorf("%s:\n%swant %q", c.args, rest, want)
			}
		}
	}
}

func TestEpsilonRefused(t *testing.T) {
	const noise, rate, steps, delta = "--noise 1 ", "--rate .1 ", "--steps 10 ", "--delta 1e-5 "
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{rate + steps + delta, exitUsage, "--noise is missing, want standard deviation of the noise"},
		{noise + rate + steps, exitUsage, "--delta is missing, want delta of the claim, less than 1 / participants"},
		{"--noise 0 " + rate + steps + delta, exitUsage, "--noise is 0, want 0.01 <= noise <= 1e+06"},
		{"--noise NaN " + rate + steps + delta, exitUsage, "--noise is NaN, want 0.01 <= noise <= 1e+06"},
		{"--noise 1e999 " + rate + steps + delta, exitUsage, `--noise is "1e999", want a number`},
		{noise + "--rate 1.5 " + steps + delta, exitUsage, "--rate is 1.5, want 1e-09 <= rate <= 1"},
		{noise + "--rate 0 " + steps + delta, exitUsage, "--rate is 0, want 1e-09 <= rate <= 1"},
		{noise + rate + "--steps 0 " + delta, exitUsage, "--steps is 0, want 1 <= steps <= 1000000000"},
		{noise + rate + "--steps 99999999999 " + delta, exitUsage, "--steps is 99999999999, want 0 <= steps <= 1000000000"},
		{noise + rate + "--steps 1e9 " + delta, exitUsage, `--steps is "1e9", want a whole number`},
		{noise + rate + steps + "--delta 1", exitUsage, "--delta is 1, want 1e-30 <= delta < 1, and less than 1 / participants"},
		{noise + rate + steps + "--delta 0", exitUsage, "--delta is 0, want 1e-30 <= delta < 1"},
		{noise + rate + steps + delta + "--accountant moments", exitUsage, `--accountant is "moments", want rdp or pld`},
		{noise + rate + steps + delta + "--adjacency replace", exitUsage, `--adjacency is "replace", want add-remove or substitution`},
		{"--noise .01 --rate .5 --steps 1000000000 " + delta, exitFailed, "want more noise or fewer steps"},
	} {
		var out, errs bytes.Buffer
		if code := Main(t.Context(), append([]string{"epsilon"}, strings.Fields(c.args)...), &out, &errs); code != c.code || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %q and %q; want %d and %q", c.args, code, out.String(), errs.String(), c.code, c.want)
		}
	}
}

// Digits that are not shown never make a claim better.
func TestRounded(t *testing.T) {
	for _, c := range []struct {
		x        float64
		down, up string
	}{
		{0, "0", "0"}, {.946875348, "0.946875", "0.946876"}, {1.5, "1.5", "1.5"}, {123456.7, "123456", "123457"},
		{40106156, "4.01061e+07", "4.01062e+07"}, {1.2345678e-5, "1.23456e-05", "1.23457e-05"}, {9.9999999, "9.99999", "10"},
	} {
		if down, up := rounded(c.x, math.Floor), rounded(c.x, math.Ceil); down != c.down || up != c.up {
			t.Errorf("%v: %s and %s, want %s and %s", c.x, down, up, c.down, c.up)
		}
	}
}

// The page of the documents shows what the command prints.
func TestEpsilonDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/accounting.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, block := range strings.Split(string(page), "```")[1:] {
		line, want, ok := strings.Cut(strings.TrimPrefix(block, "\n"), "\n")
		args, command := strings.CutPrefix(line, "$ bin/coordinator ")
		if !ok || !command {
			continue
		}
		shown++
		var out, errs bytes.Buffer
		if Main(t.Context(), strings.Fields(args), &out, &errs); out.String() != want {
			t.Errorf("docs/accounting.md: %s prints\n%s%swant\n%s", line, out.String(), errs.String(), want)
		}
	}
	if shown == 0 {
		t.Error("docs/accounting.md shows no command")
	}
}
