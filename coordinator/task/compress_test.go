package task

import (
	"strings"
	"testing"

	"fedtab/compress/reference"
	"fedtab/protocol"
	"fedtab/run"
)

// compressTask is a task with a strategy and, if there is one, a compress section.
func compressTask(strategy, section string) []byte {
	text := `name: x
title: t
model: {kind: mlp, hidden: [200]}
data: {source: mnist, partition: {kind: iid, clients: 100}}
strategy: ` + strategy + "\n"
	if section != "" {
		text += "compress: " + section + "\n"
	}
	return []byte(text + "stop: {rounds: 3}\n")
}

const (
	fedavg    = "{kind: fedavg, epochs: 1, batch: 10, lr: 0.1}"
	minibatch = "{kind: minibatch, batch: 10, lr: 0.1}"
	dynamic   = "{kind: dynamic, batches: 10, batch: 10, lr: 0.1, delta: 1}"
	daisy     = "{kind: daisy, batches: 10, batch: 10, lr: 0.1}"
	scaffold  = "{kind: fedavg, correction: scaffold, epochs: 1, batch: 10, lr: 0.1}"
)

// How a run packs follows from the section, the strategy and the model's size.
func TestPacking(t *testing.T) {
	grid := func(up protocol.Codec, bits float64, feedback bool, step float64) run.Packing {
		return run.Packing{Up: up, Bits: bits, Feedback: feedback, Down: protocol.CodecGrid, Coarseness: step}
	}
	deadzone := func(bits float64, feedback bool, step float64) run.Packing {
		return grid(protocol.CodecDeadzone, bits, feedback, step)
	}
	local := func(p run.Packing, bits float64) run.Packing {
		p.Local, p.LocalBits = protocol.CodecDeadzone, bits
		return p
	}
	for _, test := range []struct {
		name, strategy, section string
		parameters              int
		want                    run.Packing
	}{
		{"default", fedavg, "", 1000, deadzone(.9, true, 3.5)},
		{"small models travel raw", fedavg, "", 256, run.Packing{}},
		{"one more parameter", fedavg, "", 257, deadzone(.9, true, 3.5)},
		{"few bits", fedavg, "{up: {bits: 0.3}, down: {step: 6}}", 1000, deadzone(.3, true, 6)},
		{"two bits", fedavg, "{up: {bits: 2}}", 1000, deadzone(2, true, 3.5)},
		{"more than two bits", fedavg, "{up: {bits: 2.1}}", 1000, deadzone(2.1, false, 3.5)},
		{"no feedback", fedavg, "{up: {bits: 0.3, feedback: off}}", 1000, deadzone(.3, false, 3.5)},
		{"feedback", fedavg, "{up: {bits: 3, feedback: on}}", 1000, deadzone(3, true, 3.5)},
		{"raw", fedavg, "{up: {codec: float32}, down: {codec: float32}}", 1000, run.Packing{}},
		{"one way", fedavg, "{down: {codec: float16}}", 1000, run.Packing{Up: protocol.CodecDeadzone, Bits: .9, Feedback: true, Down: protocol.CodecFloat16}},
		{"robust: what is fed back may not count", "{kind: fedavg, combine: median, epochs: 1, batch: 10, lr: 0.1}", "", 1000, deadzone(1.2, false, 3.5)},
		{"minibatch: unbiased", minibatch, "", 1000, grid(protocol.CodecDither, 1, false, 3.5)},
		{"minibatch, fewer bits", minibatch, "{up: {bits: 0.3}, down: {codec: float32}}", 1000, run.Packing{Up: protocol.CodecDither, Bits: .3}},
		{"minibatch, raw", minibatch, "{up: {codec: float32}, down: {codec: float32}}", 1000, run.Packing{}},
		{"dynamic: local models too", dynamic, "", 1000, local(deadzone(2, true, 3.5), 2)},
		{"dynamic, few bits", dynamic, "{up: {bits: 0.3}}", 1000, local(deadzone(.3, true, 3.5), .3)},
		{"dynamic, finer local models", dynamic, "{down: {bits: 5}}", 1000, local(deadzone(2, true, 3.5), 5)},
		{"dynamic, exact up", dynamic, "{up: {codec: float32}}", 1000, local(grid(protocol.CodecFloat32, 0, false, 3.5), 4)},
		{"dynamic, exact down", dynamic, "{down: {codec: float32}}", 1000, run.Packing{Up: protocol.CodecDeadzone, Bits: 2, Feedback: true}},
		{"dynamic, raw", dynamic, "{up: {codec: float32}, down: {codec: float32}}", 1000, run.Packing{}},
		{"daisy: local models are most", daisy, "", 1000, local(deadzone(4, false, 3.5), 4)},
		{"scaffold", scaffold, "", 1000, deadzone(1, true, 3.5)},
		{"qsgd is unbiased", fedavg, "{up: {codec: qsgd}}", 1000, grid(reference.QSGD, 4, false, 3.5)},
		{"qsgd with feedback", fedavg, "{up: {codec: qsgd-max, bits: 2, feedback: on}}", 1000, grid(reference.QSGDMax, 2, true, 3.5)},
		{"topk needs feedback", fedavg, "{up: {codec: topk, bits: 4}}", 1000, grid(reference.TopK, 4, true, 3.5)},
		{"ternary", fedavg, "{up: {codec: ternary}}", 1000, grid(reference.Ternary, .9, true, 3.5)},
		{"signsgd has no rate", fedavg, "{up: {codec: signsgd}}", 1000, grid(reference.SignSGD, 0, true, 3.5)},
		{"signsgd without feedback", fedavg, "{up: {codec: signsgd, feedback: off}}", 1000, grid(reference.SignSGD, 0, false, 3.5)},
		{"minibatch, qsgd", minibatch, "{up: {codec: qsgd}}", 1000, grid(reference.QSGD, 4, false, 3.5)},
		{"oneshot: there is no later round", "{kind: oneshot, epochs: 1, batch: 10, lr: 0.1}", "", 1000, run.Packing{Up: protocol.CodecDeadzone, Bits: 1.2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			task, err := Parse("x.yaml", compressTask(test.strategy, test.section))
			if err != nil {
				t.Fatal(err)
			}
			if got := task.Compress.Run(test.parameters); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestPackingRefused(t *testing.T) {
	for _, test := range []struct{ name, strategy, section, want string }{
		{"an unknown codec", fedavg, "{up: {codec: zip}}", "compress.up.codec"},
		{"the grid, up", fedavg, "{up: {codec: grid}}", "compress.up.codec"},
		{"deadzone, down", fedavg, "{down: {codec: deadzone}}", "compress.down.codec"},
		{"no bits", fedavg, "{up: {bits: 0.001}}", "compress.up.bits"},
		{"too many bits", fedavg, "{up: {bits: 17}}", "compress.up.bits"},
		{"bits of what has none", fedavg, "{up: {codec: float16, bits: 1}}", "compress.up.bits"},
		{"too few bits of dither", fedavg, "{up: {codec: dither, bits: 0.05}}", "compress.up.bits"},
		{"feedback of what loses nothing", fedavg, "{up: {codec: float32, feedback: on}}", "compress.up.feedback"},
		{"feedback, maybe", fedavg, "{up: {feedback: maybe}}", "compress.up.feedback"},
		{"feedback of gradients", minibatch, "{up: {codec: dither, feedback: on}}", "compress.up.feedback"},
		{"feedback without a next round", "{kind: oneshot, epochs: 1, batch: 10, lr: 0.1}", "{up: {feedback: on}}", "compress.up.feedback"},
		{"a bias in every step", minibatch, "{up: {codec: deadzone}}", "compress.up.codec"},
		{"too few bits of the default dither", minibatch, "{up: {bits: 0.05}}", "compress.up.bits"},
		{"bits of local models that there are not", fedavg, "{down: {bits: 2}}", "compress.down.bits"},
		{"bits of local models off the grid", dynamic, "{down: {codec: float16, bits: 2}}", "compress.down.bits"},
		{"too many bits of local models", dynamic, "{down: {bits: 17}}", "compress.down.bits"},
		{"a step of no grid", fedavg, "{down: {codec: float16, step: 3}}", "compress.down.step"},
		{"a step out of range", fedavg, "{down: {step: 1001}}", "compress.down.step"},
		{"bits of signsgd", fedavg, "{up: {codec: signsgd, bits: 1}}", "compress.up.bits"},
		{"half a bit of a level", fedavg, "{up: {codec: qsgd, bits: 2.5}}", "want a whole number of 2 to 16"},
		{"one bit of a level", fedavg, "{up: {codec: qsgd-max, bits: 1}}", "want a whole number of 2 to 16"},
		{"a reference with a bias in every step", minibatch, "{up: {codec: ternary}}", "compress.up.codec"},
		{"feedback of qsgd's gradients", minibatch, "{up: {codec: qsgd, feedback: on}}", "compress.up.feedback"},
		{"a reference, down", fedavg, "{down: {codec: qsgd}}", "compress.down.codec"},
		{"a reference of models that are needed as they are", "{kind: radon, epochs: 1, batch: 10, lr: 0.1}", "{up: {codec: topk}}", "compress.up.codec"},
		{"an unknown field", fedavg, "{up: {rate: 1}}", "rate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("x.yaml", compressTask(test.strategy, test.section))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "x.yaml:6: ") {
				t.Errorf("got %v, want an error about %s in line 6", err, test.want)
			}
		})
	}
}
