package task

import (
	"reflect"
	"strings"
	"testing"

	"fedtab/learn"
)

// Every kind of model makes the spec that its name says.
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
		{"{kind: layers, layers: [{conv: 16, size: 5, activation: relu}, {maxpool: 2}, {conv: 32, size: 5, activation: relu}, {maxpool: 2}, {conv: 32, size: 3, activation: relu}]}", 10,
			"28x28 - conv 5x5x16 relu - maxpool 2x2 - conv 5x5x32 relu - maxpool 2x2 - conv 3x3x32 relu - 10 - softmax"},
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

// What is wrong with a model is said with the line, the layer and the shapes.
func TestModelRefused(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{"{kind: layers}", "model.layers is missing, want 1 to 63 layers"},
		{"{kind: layers, layers: [{conv: 3}]}", "model.layers[0] has size 0, want the side of the window"},
		{"{kind: layers, layers: [{conv: 3, dense: 4}]}", "model.layers[0] is dense and conv, want exactly one of"},
		{"{kind: layers, layers: [{activation: relu}]}", "model.layers[0] is nothing, want exactly one of"},
		{"{kind: layers, layers: [{dense: 4, size: 3}]}", "model.layers[0] has size, which does not belong to a dense layer"},
		{"{kind: layers, layers: [{dense: 9}, {conv: 3, size: 3}]}", "model.layers[1], conv: its input has shape [9], want images"},
		{"{kind: layers, layers: [{maxpool: 20}, {conv: 3, size: 3}]}", "model.layers[1], conv: a window of 3x3 does not fit into an input of shape [1 1 1]"},
		{"{kind: layers, layers: [{conv: 3, size: 3, padding: full}]}", `model.layers[0] has padding "full", want "same" or "valid"`},
		{"{kind: layers, layers: [{dense: 3, activation: swish}]}", `model.layers[0] has activation "swish", want one of identity, relu`},
		{"{kind: layers, layers: [{dropout: 1}]}", "model.layers[0] drops 1, want 0 <= dropout < 1"},
		{"{kind: mlp, gamma: 1}", `model.gamma does not belong to a model of kind "mlp"`},
		{"{kind: mlp, loss: squared}", ""},
		{"{kind: mlp, loss: cubed}", `model.loss is "cubed", want one of softmax, logistic`},
		{"{kind: mlp, l2: -1}", "model.l2 is -1, want l2 >= 0"},
		{"{kind: svr}", `model.kind is "svr", which predicts numbers, and the data has classes`},
	} {
		t.Run(c.model, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(strings.Replace(minimal, "{kind: mlp}", c.model, 1)))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.yaml:") {
				t.Errorf("got %v, want %q and the line", err, c.want)
			}
		})
	}
}

func TestOptimiser(t *testing.T) {
	tk, err := Parse("x.yaml", []byte(minimal+"optimiser: {kind: adamw, momentum: 0.5, weight_decay: 0.01, schedule: cosine, factor: 0.25, warmup: 7, clip: 2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := learn.Optimiser{Kind: learn.AdamW, Momentum: .5, WeightDecay: .01, Schedule: learn.Cosine, Factor: .25, Warmup: 7, Clip: 2}
	if got := tk.Optimiser.Learn(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := want.Validate(); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"{kind: adagrad}":               `optimiser.kind is "adagrad", want one of sgd, momentum`,
		"{kind: sgd, momentum: 0.9}":    `optimiser.momentum does not belong to "sgd" (it belongs to momentum, nesterov, adam, adamw)`,
		"{kind: momentum, momentum: 1}": "optimiser.momentum is 1, want 0 < momentum < 1",
		"{kind: sgd, every: 5}":         `optimiser.every does not belong to "constant" (it belongs to step`,
		"{kind: sgd, schedule: linear}": `optimiser.schedule is "linear", want one of constant`,
	} {
		if _, err := Parse("x.yaml", []byte(minimal+"optimiser: "+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// A task that has been written down is read back as the same.
func TestModelYAML(t *testing.T) {
	tk, err := Find("mnist-cnn", []string{"optimiser={kind: adam, clip: 5}", "model.l2=0.001"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("x.yaml", tk.YAML())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, tk) {
		t.Errorf("got  %+v\nwant %+v", again, tk)
	}
}
