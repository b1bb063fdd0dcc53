package main

import (
	"math"
	"testing"
)

func TestNumbersInWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(199210), "199,210"}, {count(1234567), "1,234,567"}, {count(-1234), "−1,234"},
		{plural(1, "round"), "1 round"}, {plural(2, "round"), "2 rounds"}, {plural(1200, "round"), "1,200 rounds"},
		{percent(0.981, 1), "98.1%"}, {percent(0.29, 0), "29%"}, {percent(1, 2), "100.00%"}, {percent(0.97999, 1), "97.9%"},
		{percent(0.9999, 1), "99.9%"}, {percent(math.NaN(), 1), dash}, {percent(0.1, 0), "10%"},
		{size(0), "0 B"}, {size(999), "999 B"}, {size(1000), "1.00 kB"}, {size(812_345), "812 kB"}, {size(999_600), "1.00 MB"},
		{size(9_996), "10.0 kB"}, {size(1_240_000), "1.24 MB"}, {size(99_960), "100 kB"}, {size(3.2e15), "3200 TB"},
		{perSecond(0), dash}, {perSecond(14200.4), "14,200/s"},
		{seconds(1.24), "1.2 s"}, {seconds(61), "61 s"}, {seconds(600), "10 min"},
		{Figure{}.percent(), dash}, {Figure{}.loss(), dash}, {Figure{}.raw(), ""}, {Figure{math.Inf(1), true}.loss(), dash},
		{Figure{0.123456, true}.loss(), "0.1235"}, {Figure{0.9812, true}.raw(), "0.9812"}, {exact(6376000), "6376000"},
		{KernelWords(""), dash}, {KernelWords("wasm-simd128"), "WebAssembly, SIMD"}, {KernelWords("scalar"), "WebAssembly, no SIMD"}, {sentence("test accuracy reached"), "Test accuracy reached"}, {sentence("ölig"), "Ölig"}, {sentence(""), ""},
		{KernelWords("wasm-relaxed"), "wasm-relaxed"},
		{(&Local{Examples: 15000, Shards: 3, ShardsTotal: 3}).ExamplesWords(), "15,000"},
		{(&Local{Examples: 5000, Shards: 1, ShardsTotal: 3}).ExamplesWords(), "5,000 (part 1 of 3)"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTaskInWords(t *testing.T) {
	task := shown(t).Task
	empty := Task{}
	for _, c := range []struct{ got, want string }{
		{task.ModelWords(), "784-200-200-10, ReLU, softmax (199,210 parameters)"},
		{task.DataWords(), "MNIST: 60,000 handwritten digits"},
		{task.StrategyWords(), "Federated averaging: 1 epoch"},
		{task.GoalWords(), "98% test accuracy or 100 rounds"},
		{task.EvaluatedWords(), "model version 6"},
		{task.RoundWords(), "of at most 100"},
		{empty.ModelWords(), dash}, {empty.DataWords(), dash}, {empty.StrategyWords(), dash}, {empty.GoalWords(), dash},
		{empty.EvaluatedWords(), "not evaluated yet"}, {empty.RoundWords(), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
