package task

import (
	"strings"
	"testing"

	"fedtab/learn"
)

// Every kind of model has its spec.
func TestModelSpec(t *testing.T) {
	for _, c := range []struct {
		model   string
		classes int
		want    string
	}{
		{"{kind: mlp, hidden: [200, 200]}", 10, "28x28 - 200 relu - 200 relu - 10 - softmax"},
		{"{kind: mlp, hidden: [30], activation: gelu, dropout: 0.5, loss: hinge}", 10, "28x28 - 30 gelu - dropout 0.5 - 10 - hinge"},
		{"{kind: softmax}", 10, "28x28 - 10 - softmax"},
		{"{kind: logistic}", 2, "28x28 - 1 - logistic"},
		{"{kind: logistic}", 10, "28x28 - 10 - logistic"},
		{"{kind: svm}", 2, "28x28 - 1 - hinge"},
		{"{kind: linear}", 0, "28x28 - 1 - squared"},
		{"{kind: svr, features: 50, gamma: 0.25}", 0, "28x28 - rbf 50 (gamma 0.25) - 1 - epsilon-insensitive"},
		{"{kind: mlp, hidden: [5], loss: absolute}", 0, "28x28 - 5 relu - 1 - absolute"},
		// DISCO's network for MNIST, and LeNet-5 (LeCun et al. 1998, as it is usually rebuilt).
		{"{kind: layers, layers: [{conv: 8, size: 5, activation: relu}, {conv: 16, size: 5, activation: relu}, {maxpool: 2}, {dropout: 0.25}, {dense: 32, activation: relu}, {dropout: 0.25}]}", 10,
			"28x28 - conv 5x5x8 relu - conv 5x5x16 relu - maxpool 2x2 - dropout 0.25 - 32 relu - dropout 0.25 - 10 - softmax"},
		{"{kind: layers, layers: [{conv: 6, size: 5, padding: same, activation: tanh}, {avgpool: 2}, {conv: 16, size: 5, activation: tanh}, {avgpool: 2}, {dense: 120, activation: tanh}, {dense: 84, activation: tanh}]}", 10,
			"28x28 - conv 5x5x6 tanh - avgpool 2x2 - conv 5x5x16 tanh - avgpool 2x2 - 120 tanh - 84 tanh - 10 - softmax"},
	} {
		t.Run(c.model, func(t *testing.T) {
			sources["test"] = source{images: true, shape: []int{28, 28}, classes: c.classes}
			defer delete(sources, "test")
			tk, err := Parse("x.yaml", []byte(strings.NewReplacer("{kind: mlp}", c.model, "mnist", "test", "clients: 100", "clients: 10").Replace(minimal)))
			if err != nil {
				t.Fatal(err)
			}
			m := tk.Model
			spec := m.Spec([]int{28, 28}, c.classes, 1)
			if got := spec.String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if _, err := learn.New(spec); err != nil {
				t.Error(err)
			}
		})
	}
}

// Errors of a model have the line, the layer and the shapes.
func TestModelRefused(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{"{kind: layers}", "model.layers is missing, want 1 to 63 layers"},
		{"{kind: layers, layers: [{conv: 3}]}", "model.layers[0] has size 0, want the side of the window"},
		{"{kind: layers, layers: [{conv: 3, dense: 4}]}", "model.layers[0] is dense and conv, want exactly one of"},
		{"{kind: layers, layers: [{activation: relu}]}", "model.layers[0] is nothing, want exactly one of"},
		{"{kind: layers, layers: [{dense: 4, size: 3}]}", "model.layers[0] has size, which does not belong to a dense layer"},
		{"{kind: layers, layers: [{dense: 9}, {conv: 3, size: 3}]}", "model.layers[1], conv: input shape: [9], want [height, width]"},
		{"{kind: layers, layers: [{maxpool: 20}, {conv: 3, size: 3}]}", "model.layers[1], conv: window: 3x3, larger than the input [1 1 1]"},
		{"{kind: layers, layers: [{conv: 3, size: 3, padding: full}]}", `model.layers[0] has padding "full", want "same" or "valid"`},
		{"{kind: layers, layers: [{dense: 3, activation: swish}]}", `model.layers[0] has activation "swish", want one of identity, relu`},
		{"{kind: layers, layers: [{dropout: 1}]}", "model.layers[0] drops 1, want 0 < dropout < 1"},
		{"{kind: layers, layers: [{dropout: 0}]}", "model.layers[0] drops 0, want 0 < dropout < 1"},
		{"{kind: layers, layers: [{maxpool: 2, stride: 0}]}", "model.layers[0] has stride 0, want at least 1"},
		{"{kind: mlp, gamma: 1}", `model.gamma does not belong to a model of kind "mlp"`},
		{"{kind: mlp, loss: squared}", `model.loss is "squared", which predicts numbers, and the data has classes: want "softmax", "logistic" or "hinge"`},
		{"{kind: layers, layers: [{dense: 3}], loss: absolute}", `model.loss is "absolute", which predicts numbers`},
		{"{kind: mlp, loss: cubed}", `model.loss is "cubed", want one of softmax, logistic`},
		{"{kind: mlp, l2: -1}", "model.l2 is -1, want 0, or 1e-37 <= l2 <= 1e38"},
		{"{kind: svr}", `model.kind is "svr", which predicts numbers, and the data has classes: want "softmax", "logistic", "svm", "mlp" or "layers"`},
		{"{kind: linear}", `model.kind is "linear", which predicts numbers, and the data has classes`},
		{"{kind: mlp, hidden: [], dropout: 0.5}", "model.dropout has no effect without hidden layers, want it left out"},
		{"{kind: mlp, activation: tanh}", "model.activation has no effect without hidden layers"},
		{"{kind: mlp, hidden: [5], epsilon: 0.2}", `model.epsilon has no effect unless model.loss is "epsilon-insensitive"`},
		{"{kind: mlp, hidden: [5], dropout: 0.999999999}", "model.dropout is 0.999999999, want 0 <= dropout < 1 in single precision"},
		{"{kind: softmax, l2: 1e39}", "model.l2 is 1e+39, want 0, or 1e-37 <= l2 <= 1e38"},
		{"{kind: softmax, l1: 1e-50}", "model.l1 is 1e-50, want 0, or 1e-37 <= l1 <= 1e38"},
		{"{kind: svr, gamma: 1e-50}", "model.gamma is 1e-50, want 1e-37 <= gamma <= 1e38"},
		{"{kind: svr, gamma: 0}", "model.gamma is 0, want 1e-37 <= gamma"},
		{"{kind: svr, features: 0}", "model.features is 0, want 1 <= features"},
	} {
		t.Run(c.model, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(strings.Replace(minimal, "{kind: mlp}", c.model, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.yaml:") {
				t.Errorf("got %v, want %q and the line", err, c.want)
			}
		})
	}
}

// The model is checked against the target before the data is read.
func TestTarget(t *testing.T) {
	const idx = "{source: idx, idx: {train_images: a, train_labels: b, test_images: c, test_labels: d}}"
	const csvClasses, csvNumbers = "{source: csv, csv: {path: x, target: y}}", "{source: csv, csv: {path: x, target: y, predict: number}}"
	for _, c := range []struct{ data, model, want string }{
		{csvClasses, "{kind: mlp}", ""},
		{csvClasses, "{kind: logistic}", ""},
		{csvClasses, "{kind: mlp, loss: squared}", `x.yaml:2: model.loss is "squared", which predicts numbers, and the data has classes: want "softmax", "logistic" or "hinge", or data.csv.predict: number`},
		{csvClasses, "{kind: svr}", `x.yaml:2: model.kind is "svr", which predicts numbers`},
		{csvClasses, "{kind: linear}", `x.yaml:2: model.kind is "linear", which predicts numbers`},
		{csvNumbers, "{kind: mlp}", ""},
		{csvNumbers, "{kind: linear}", ""},
		{csvNumbers, "{kind: mlp, loss: absolute}", ""},
		{csvNumbers, "{kind: mlp, loss: hinge}", `x.yaml:2: model.loss is "hinge", which predicts classes, and the data has numbers: want "squared", "absolute" or "epsilon-insensitive", or data.csv.predict: class`},
		{csvNumbers, "{kind: softmax}", `x.yaml:2: model.kind is "softmax", which predicts classes, and the data has numbers: want "linear", "svr", "mlp" or "layers"`},
		{csvNumbers, "{kind: logistic}", `model.kind is "logistic", which predicts classes`},
		{csvNumbers, "{kind: svm}", `model.kind is "svm", which predicts classes`},
		{idx, "{kind: mlp, loss: absolute}", `x.yaml:2: model.loss is "absolute", which predicts numbers`},
		{idx, "{kind: svm}", ""},
		{"{source: anes96}", "{kind: mlp, loss: absolute}", `x.yaml:2: model.loss is "absolute", which predicts numbers`},
	} {
		text := strings.NewReplacer("{kind: mlp}", c.model, "{source: mnist}", c.data).Replace(minimal)
		_, err := Parse("x.yaml", []byte(text))
		if c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: got %v, want %q", c.model, c.data, err, c.want)
		}
	}
}

// Errors that depend on the loaded data have the line too.
func TestFits(t *testing.T) {
	text := strings.Replace(minimal, "{source: mnist}", "{source: csv, csv: {path: x, target: y}}", 1)
	for _, c := range []struct {
		model   string
		sets    []string
		shape   []int
		classes int
		want    string
	}{
		{"{kind: mlp, hidden: [20]}", nil, []int{2}, 3, ""},
		{"\n  kind: layers\n  layers:\n    - {dense: 3}\n    - {conv: 3, size: 3}", nil, []int{2}, 3, "x.yaml:6: model.layers[1], conv: input shape: [3], want [height, width] or [height, width, channels]"},
		{"{kind: mlp}", []string{"model={kind: layers, layers: [{conv: 3, size: 3}]}"}, []int{2}, 3, "--set model={kind: layers, layers: [{conv: 3, size: 3}]}: model.layers[0], conv: input shape: [2], want [height, width] or [height, width, channels]"},
		{"{kind: mlp, hidden: [16384]}", nil, []int{4000}, 3, "x.yaml:2: model.hidden is [16384]: dense, input shape [4000]: 65552384 parameters in the model, want at most 16777216"},
		{"{kind: logistic}", nil, []int{2}, 0, `x.yaml:2: model.kind is "logistic", which predicts classes, and the data has numbers: want "linear", "svr", "mlp" or "layers", or data.csv.predict: class`},
	} {
		tk, err := Parse("x.yaml", []byte(strings.Replace(text, "{kind: mlp}", c.model, 1)), c.sets...)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := tk.CheckModel(c.shape, c.classes); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.model, got, c.want)
		}
	}
}

// An explicit zero is kept, also when the written task is read again; an invalid one is
// refused.
func TestZeros(t *testing.T) {
	numbers := strings.Replace(minimal, "{source: mnist}", "{source: csv, csv: {path: x, target: y, predict: number}}", 1)
	read := func(text string, sets ...string) *Task {
		t.Helper()
		tk, err := Parse("x.yaml", []byte(text), sets...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("x.yaml", tk.YAML())
		if err != nil || !equal(tk, again) {
			t.Fatalf("read back: %v\n%s", err, tk.YAML())
		}
		return again
	}
	for _, c := range []struct {
		set, shown string
		want       Optimiser
	}{
		{"{kind: momentum}", "\n  momentum: 0.9\n", Optimiser{Kind: "momentum", Momentum: .9}},
		{"{kind: momentum, momentum: 0}", "\n  momentum: 0\n", Optimiser{Kind: "momentum"}},
		{"{kind: adam, momentum: 0, beta2: 0}", "\n  momentum: 0\n  beta2: 0\n  epsilon: 1e-08\n", Optimiser{Kind: "adam", Epsilon: 1e-8}},
		{"{kind: adamw}", "\n  momentum: 0.9\n  beta2: 0.999\n  epsilon: 1e-08\n", Optimiser{Kind: "adamw", Momentum: .9, Beta2: .999, Epsilon: 1e-8}},
	} {
		tk := read(minimal, "optimiser="+c.set)
		if tk.Optimiser != c.want {
			t.Errorf("%s: got %+v, want %+v", c.set, tk.Optimiser, c.want)
		}
		if !strings.Contains(string(tk.YAML()), c.shown) {
			t.Errorf("%s: want %q in\n%s", c.set, c.shown, tk.YAML())
		}
		// 0 would be the default, 1 + m is 1.
		if m := tk.Optimiser.Learn().Momentum; tk.Optimiser.Momentum == 0 && (m <= 0 || 1+m != 1) {
			t.Errorf("%s trains with momentum %v, want as good as none", c.set, m)
		}
	}
	for model, want := range map[string]float32{
		"{kind: svr}":             .1,
		"{kind: svr, epsilon: 0}": 0,
		"{kind: mlp, loss: epsilon-insensitive, epsilon: 0}": 0,
	} {
		tk := read(strings.Replace(numbers, "{kind: mlp}", model, 1))
		if got := tk.Model.Spec([]int{2}, 0, 1).Epsilon; got != want || strings.Contains(string(tk.YAML()), "  epsilon: 0\n") != (want == 0) {
			t.Errorf("%s: epsilon is %v, want %v, in\n%s", model, got, want, tk.YAML())
		}
	}
	if tk := read(minimal, "optimiser={kind: nesterov, momentum: 0}", "optimiser.momentum="); tk.Optimiser.Momentum != .9 {
		t.Errorf("set back to the default: momentum %v, want 0.9", tk.Optimiser.Momentum)
	}
}

func TestOptimiser(t *testing.T) {
	tk, err := Parse("x.yaml", []byte(minimal+"optimiser: {kind: adamw, momentum: 0.5, weight_decay: 0.01, schedule: cosine, factor: 0.25, warmup: 7, clip: 2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := learn.Optimiser{Kind: learn.AdamW, Momentum: .5, Beta2: .999, Epsilon: 1e-8, WeightDecay: .01, Schedule: learn.Cosine, Factor: .25, Warmup: 7, Clip: 2}
	if got := tk.Optimiser.Learn(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := want.Validate(); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"{kind: adagrad}":                                    `optimiser.kind is "adagrad", want one of sgd, momentum`,
		"{kind: sgd, momentum: 0.9}":                         `optimiser.momentum does not belong to "sgd" (it belongs to momentum, nesterov, adam, adamw)`,
		"{kind: momentum, momentum: 1}":                      "optimiser.momentum is 1, want 0 <= momentum < 1",
		"{kind: sgd, every: 5}":                              `optimiser.every does not belong to "constant" (it belongs to step`,
		"{kind: sgd, schedule: linear}":                      `optimiser.schedule is "linear", want one of constant`,
		"{kind: adam, epsilon: 0}":                           "optimiser.epsilon is 0, want 1e-37 <= epsilon < 1",
		"{kind: sgd, clip: 0}":                               "optimiser.clip is 0, want 1e-37 <= clip <= 1e38",
		"{kind: sgd, schedule: step, every: 0, factor: 0.5}": "optimiser.every is 0, want 1 <= every <= 1000000",
		"{kind: sgd, schedule: step, factor: 0.5}":           "optimiser.every is missing, want 1 <= every",
		"{kind: sgd, schedule: inverse}":                     "optimiser.every is missing, want 1 <= every",
		"{kind: sgd, schedule: exponential, every: 5}":       "optimiser.factor is missing, want 0 < factor <= 1",
		"{kind: sgd, schedule: step, every: 5, factor: 0}":   "optimiser.factor is 0, want 0 < factor <= 1",
	} {
		if _, err := Parse("x.yaml", []byte(minimal+"optimiser: "+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// A written task is read as an equal one.
func TestModelYAML(t *testing.T) {
	tk, err := Find("mnist-cnn", []string{"optimiser={kind: adam, clip: 5, schedule: cosine, factor: 0}", "model.l2=0.001"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("x.yaml", tk.YAML())
	if err != nil {
		t.Fatal(err)
	}
	if !equal(again, tk) {
		t.Errorf("got  %+v\nwant %+v", again, tk)
	}
}
