package task

import (
	"fmt"
	"slices"
	"strings"

	"fedtab/learn"
)

// Model configures the model; see docs/models.md.
type Model struct {
	Kind       string  `yaml:"kind" help:"mlp is a multilayer perceptron, layers a list of layers; docs/models.md has all"`
	Hidden     []int   `yaml:"hidden,omitempty" help:"mlp: units of each hidden layer; empty: softmax regression"`
	Activation string  `yaml:"activation,omitempty" help:"mlp: of the hidden layers; left out: relu"`
	Dropout    float64 `yaml:"dropout,omitempty" help:"mlp: share of each hidden layer that is dropped in training"`
	Layers     []Layer `yaml:"layers,omitempty"` // layers: in order; the output layer is added
	Loss       string  `yaml:"loss,omitempty" help:"mlp and layers; left out: softmax for classes, squared for numbers"`
	Features   int     `yaml:"features,omitempty" help:"svr: random features of the Gaussian kernel; left out: 200"`
	Gamma      float64 `yaml:"gamma,omitempty" help:"svr: of exp(-gamma |x - x'|^2); left out: 1 / inputs"`
	Epsilon    float64 `yaml:"epsilon,omitempty" help:"svr and loss epsilon-insensitive: errors up to it have loss 0"`
	L1         float64 `yaml:"l1,omitempty" help:"penalty on weights: l1 |w|_1"`
	L2         float64 `yaml:"l2,omitempty" help:"penalty on weights: l2/2 |w|_2^2"`

	ClassWeights string `yaml:"class_weights,omitempty" help:"balanced: the losses of rare classes count more; left out: all count the same"`
}

// Balanced is a value of Model.ClassWeights: examples of class c count n/(k n_c) times,
// n_c of all n training examples being of class c, one of k.
const Balanced = "balanced"

// Layer is one layer of a model of kind "layers". Exactly one of its first five
// fields is set: it is the kind of the layer.
type Layer struct {
	Dense   int     `yaml:"dense,omitempty"`   // outputs
	Conv    int     `yaml:"conv,omitempty"`    // channels of the output
	MaxPool int     `yaml:"maxpool,omitempty"` // side of the window
	AvgPool int     `yaml:"avgpool,omitempty"` // side of the window
	Dropout float64 `yaml:"dropout,omitempty"` // share that is dropped in training

	Size       int    `yaml:"size,omitempty"`       // conv: side of the window
	Stride     int    `yaml:"stride,omitempty"`     // conv, pools: default 1 for conv, the window's side for pools
	Padding    string `yaml:"padding,omitempty"`    // conv, pools: "valid" (default) or "same"
	Activation string `yaml:"activation,omitempty"` // dense, conv: default none
}

// modelKinds are the kinds of Model and their settings.
var modelKinds = map[string][]string{
	"mlp":      {"hidden", "activation", "dropout", "loss", "epsilon"},
	"layers":   {"layers", "loss", "epsilon"},
	"linear":   {},
	"logistic": {},
	"softmax":  {},
	"svm":      {},
	"svr":      {"features", "gamma", "epsilon"},
}

// uses reports whether m has a setting whose zero is not its default.
func (m Model) uses(field string) bool {
	return field == "epsilon" && (m.Kind == "svr" || m.Loss == learn.EpsilonInsensitive.String())
}

func (m *Model) fill() {
	m.Hidden = orNil(m.Hidden)
	if !m.uses("epsilon") {
		m.Epsilon = 0
	}
}

// Spec returns the model for examples of the given shape and number of classes (0 for
// numbers), of a run with the given seed. The task must have passed CheckModel for
// them.
func (m Model) Spec(input []int, classes int, seed uint64) learn.Spec {
	s := learn.Spec{Input: slices.Clone(input), L1: float32(m.L1), L2: float32(m.L2)}
	s.Loss = learn.Softmax
	if classes == 0 {
		s.Loss = learn.Squared
	}
	add := func(l learn.Layer) { s.Layers = append(s.Layers, l) }
	switch m.Kind {
	case "mlp":
		act := learn.ReLU
		if m.Activation != "" {
			act = activation(m.Activation)
		}
		for _, units := range m.Hidden {
			add(learn.Layer{Kind: learn.Dense, Units: units, Activation: act})
			if m.Dropout > 0 {
				add(learn.Layer{Kind: learn.Dropout, Rate: float32(m.Dropout)})
			}
		}
	case "layers":
		for _, l := range m.Layers {
			add(l.spec())
		}
	case "logistic":
		s.Loss = learn.Logistic
	case "svm":
		s.Loss = learn.Hinge
	case "svr":
		s.Loss = learn.EpsilonInsensitive
		features, gamma := m.Features, m.Gamma
		if features == 0 {
			features = 200
		}
		if gamma == 0 {
			gamma = 1 / float64(s.Features())
		}
		add(learn.Layer{Kind: learn.RBF, Units: features, Gamma: float32(gamma), Seed: seed})
	}
	if m.Loss != "" {
		s.Loss = loss(m.Loss)
	}
	if s.Loss == learn.EpsilonInsensitive {
		s.Epsilon = float32(m.Epsilon)
	}
	add(learn.Layer{Kind: learn.Dense, Units: outputs(s.Loss, classes)})
	return s
}

// outputs returns the number of outputs of a model.
func outputs(l learn.Loss, classes int) int {
	if l.Regression() || classes == 2 && l != learn.Softmax {
		return 1
	}
	return classes
}

// spec returns the layer for package learn.
func (l Layer) spec() learn.Layer {
	out := learn.Layer{Size: l.Size, Stride: l.Stride, Same: l.Padding == "same"}
	if l.Activation != "" {
		out.Activation = activation(l.Activation)
	}
	switch {
	case l.Dense != 0:
		out.Kind, out.Units = learn.Dense, l.Dense
	case l.Conv != 0:
		out.Kind, out.Units = learn.Conv, l.Conv
	case l.MaxPool != 0:
		out.Kind, out.Size = learn.MaxPool, l.MaxPool
	case l.AvgPool != 0:
		out.Kind, out.Size = learn.AveragePool, l.AvgPool
	default:
		out.Kind, out.Rate = learn.Dropout, float32(l.Dropout)
	}
	return out
}

func activation(name string) learn.Activation {
	_, all, _ := learn.Names()
	return learn.Activation(slices.Index(all, name))
}

func loss(name string) learn.Loss {
	_, _, all := learn.Names()
	return learn.Loss(slices.Index(all, name))
}

// model checks the model, also against the data if that is known.
func (d *decoder) model(m Model, src source) {
	fields, known := modelKinds[m.Kind]
	if !d.want(known, "model.kind", quoted(m.Kind), `"mlp", "layers", "linear", "logistic", "softmax", "svm" or "svr"`) {
		return
	}
	for _, f := range []string{"hidden", "activation", "dropout", "layers", "loss", "features", "gamma", "epsilon"} {
		if path := "model." + f; d.has(path) && !slices.Contains(fields, f) {
			d.wrong(path, fmt.Sprintf("%s does not belong to a model of kind %q (which takes %s)", path, m.Kind, strings.Join(append(slices.Clone(fields), "l1", "l2", "class_weights"), ", ")))
			known = false
		}
	}
	_, acts, losses := learn.Names()
	names := func(path, value string, all []string) {
		if value != "" {
			known = d.want(slices.Contains(all, value), path, quoted(value), "one of "+strings.Join(all, ", ")) && known
		}
	}
	names("model.activation", m.Activation, acts)
	names("model.loss", m.Loss, losses)
	noEffect := func(field, why string) {
		if path := "model." + field; d.has(path) {
			d.wrong(path, fmt.Sprintf("%s has no effect %s, want it left out", path, why))
			known = false
		}
	}
	if m.Kind == "mlp" && len(m.Hidden) == 0 {
		noEffect("activation", "without hidden layers")
		noEffect("dropout", "without hidden layers")
	}
	if slices.Contains(fields, "epsilon") && known && !m.uses("epsilon") {
		noEffect("epsilon", `unless model.loss is "epsilon-insensitive"`)
	}
	number := func(path string, ok bool, value any, want string) { known = d.want(ok, path, value, want) && known }
	number("model.hidden", len(m.Hidden) <= MaxHidden, fmt.Sprintf("a list of %d", len(m.Hidden)), fmt.Sprintf("at most %d layers", MaxHidden))
	for i, units := range m.Hidden {
		number(fmt.Sprintf("model.hidden[%d]", i), units >= 1 && units <= MaxUnits, units, fmt.Sprintf("1 <= units <= %d", MaxUnits))
	}
	number("model.dropout", m.Dropout >= 0 && float32(m.Dropout) < 1, m.Dropout, "0 <= dropout < 1"+single)
	number("model.features", !d.has("model.features") || m.Features >= 1 && m.Features <= MaxUnits, m.Features, fmt.Sprintf("1 <= features <= %d", MaxUnits))
	number("model.gamma", !d.has("model.gamma") || positiveSingle(m.Gamma), m.Gamma, "1e-37 <= gamma <= 1e38")
	number("model.epsilon", m.Epsilon == 0 || positiveSingle(m.Epsilon), m.Epsilon, "0, or 1e-37 <= epsilon <= 1e38")
	number("model.l1", m.L1 == 0 || positiveSingle(m.L1), m.L1, "0, or 1e-37 <= l1 <= 1e38")
	number("model.l2", m.L2 == 0 || positiveSingle(m.L2), m.L2, "0, or 1e-37 <= l2 <= 1e38")
	if d.has("model.class_weights") {
		number("model.class_weights", m.ClassWeights == Balanced, quoted(m.ClassWeights), quoted(Balanced)+", or left out")
		if d.target() == numbers {
			d.wrong("model.class_weights", "model.class_weights is given, want none, because numbers are predicted")
			known = false
		}
	}
	if m.Kind == "layers" {
		known = d.layers(m.Layers, acts) && known
	}
	switch target := d.target(); {
	case !known || target == "":
	case src.shape != nil:
		d.modelForData(m, src.shape, src.classes)
	default:
		d.predicts(m, target)
	}
}

// single qualifies the bounds of settings that training rounds to single precision.
const single = " in single precision"

// positiveSingle reports whether x is positive, normal and finite in single
// precision.
func positiveSingle(x float64) bool { return x >= 1e-37 && x <= 1e38 }

// What a model predicts, and what data has to predict.
const (
	classes = "classes"
	numbers = "numbers"
)

// predicts checks that the model predicts what the data has.
func (d *decoder) predicts(m Model, target string) bool {
	path, value, does := "model.kind", m.Kind, target
	want := map[string]string{classes: `"softmax", "logistic", "svm", "mlp" or "layers"`, numbers: `"linear", "svr", "mlp" or "layers"`}[target]
	switch {
	case m.Loss != "":
		path, value, does = "model.loss", m.Loss, classes
		want = map[string]string{classes: `"softmax", "logistic" or "hinge"`, numbers: `"squared", "absolute" or "epsilon-insensitive"`}[target]
		if loss(m.Loss).Regression() {
			does = numbers
		}
	case m.Kind == "linear" || m.Kind == "svr":
		does = numbers
	case m.Kind == "softmax" || m.Kind == "logistic" || m.Kind == "svm":
		does = classes
	}
	if does == target {
		return true
	}
	if from := d.root.Data.Source; from == "csv" || from == "npz" {
		want += fmt.Sprintf(", or data.%s.predict: %s", from, map[string]string{classes: "number", numbers: "class"}[target])
	}
	d.wrong(path, fmt.Sprintf("%s is %q, which predicts %s, and the data has %s: want %s", path, value, does, target, want))
	return false
}

// modelForData checks the model against examples of the given shape and number of
// classes (0 for numbers).
func (d *decoder) modelForData(m Model, shape []int, n int) {
	target := classes
	if n == 0 {
		target = numbers
	}
	if !d.predicts(m, target) {
		return
	}
	spec := m.Spec(shape, n, 1)
	for _, p := range spec.Problems() {
		switch {
		case m.Kind == "layers" && p.Layer >= 0 && p.Layer < len(m.Layers):
			path := fmt.Sprintf("model.layers[%d]", p.Layer)
			d.wrong(path, path+", "+p.Text)
		case m.Kind == "mlp" && p.Layer >= 0:
			d.wrong("model.hidden", fmt.Sprintf("model.hidden is %v: %s", m.Hidden, p.Text))
		default:
			d.wrong("model", "model: "+p.Text)
		}
	}
}

// layers checks that each layer has one kind and no settings of another.
func (d *decoder) layers(layers []Layer, acts []string) bool {
	if !d.want(len(layers) >= 1 && len(layers) < learn.MaxLayers, "model.layers", fmt.Sprintf("a list of %d", len(layers)), fmt.Sprintf("1 to %d layers", learn.MaxLayers-1)) {
		return false
	}
	all := true
	for i, l := range layers {
		path := fmt.Sprintf("model.layers[%d]", i)
		wrong := func(format string, args ...any) {
			all = false
			d.wrong(path, path+" "+fmt.Sprintf(format, args...))
		}
		var is []string
		for _, f := range []string{"dense", "conv", "maxpool", "avgpool", "dropout"} {
			if d.has(path + "." + f) {
				is = append(is, f)
			}
		}
		if len(is) != 1 {
			wrong("is %s, want exactly one of dense, conv, maxpool, avgpool, dropout", or(strings.Join(is, " and "), "nothing"))
			continue
		}
		takes := map[string][]string{
			"dense": {"activation"}, "conv": {"size", "stride", "padding", "activation"},
			"maxpool": {"stride", "padding"}, "avgpool": {"stride", "padding"},
		}[is[0]]
		for _, f := range []string{"size", "stride", "padding", "activation"} {
			if d.has(path+"."+f) && !slices.Contains(takes, f) {
				wrong("has %s, which does not belong to a %s layer", f, is[0])
			}
		}
		switch {
		case is[0] == "dropout" && !(l.Dropout > 0 && float32(l.Dropout) < 1):
			wrong("drops %v, want 0 < dropout < 1%s", l.Dropout, single)
		case is[0] == "conv" && l.Size < 1:
			wrong("has size %d, want the side of the window, such as 5", l.Size)
		case l.Dense < 0 || l.Conv < 0 || l.MaxPool < 0 || l.AvgPool < 0 || is[0] != "dropout" && l.Dense+l.Conv+l.MaxPool+l.AvgPool == 0:
			wrong("has %s: %d, want at least 1", is[0], l.Dense+l.Conv+l.MaxPool+l.AvgPool)
		case l.Stride < 0 || l.Stride == 0 && d.has(path+".stride"):
			wrong("has stride %d, want at least 1", l.Stride)
		case l.Padding != "" && l.Padding != "same" && l.Padding != "valid":
			wrong("has padding %s, want \"same\" or \"valid\"", quoted(l.Padding))
		case l.Activation != "" && !slices.Contains(acts, l.Activation):
			wrong("has activation %s, want one of %s", quoted(l.Activation), strings.Join(acts, ", "))
		}
	}
	return all
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
