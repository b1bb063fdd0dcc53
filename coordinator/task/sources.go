package task

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// source is what is known of a data set before it is read. Without a shape, its
// examples are unknown.
type source struct {
	images   bool // the examples may be images
	examples int
	shape    []int
	classes  int
	files    bool // of the organiser, which participants get with data.public only
}

// sources are the data sets by name. facts knows more where settings tell it.
var sources = map[string]source{
	"mnist":         {images: true, examples: 60000, shape: []int{28, 28}, classes: 10},
	"fashion-mnist": {images: true, examples: 60000, shape: []int{28, 28}, classes: 10},
	"anes96":        {shape: []int{9}, classes: 2},
	"idx":           {images: true, files: true},
	"csv":           {files: true},
	"cifar":         {images: true, files: true},
	"emnist":        {images: true, files: true},
	"npz":           {images: true, files: true},
	"folder":        {images: true, files: true},
	synthetic:       {},
	own:             {},
}

const (
	own       = "own"       // the participants bring the data
	synthetic = "synthetic" // a generator makes it
)

const wantSource = `"mnist", "fashion-mnist", "anes96", "idx", "csv", "cifar", "emnist", "npz", "folder", "synthetic" or "own"`

var (
	withDir   = []string{"fashion-mnist", "cifar", "emnist", "folder"}
	withOrder = []string{"mnist", "fashion-mnist", "idx", "cifar", "emnist", "npz"} // their training examples have an order that is no seed's
	withFiles = []string{"idx", "csv", "cifar", "emnist", "npz", "folder"}
)

// NPZ names the arrays of a NumPy archive.
type NPZ struct {
	Path    string `yaml:"path" help:"of the archive, x.npz"`
	XTrain  string `yaml:"x_train" help:"the array of training examples in the archive"`
	YTrain  string `yaml:"y_train" help:"the array of their labels or numbers"`
	XTest   string `yaml:"x_test" help:"the array of test examples"`
	YTest   string `yaml:"y_test" help:"the array of their labels or numbers"`
	Predict string `yaml:"predict" help:"what y_train and y_test hold"`
	Classes int    `yaml:"classes,omitempty" help:"number of classes; left out: the largest label plus one"`
}

// Generator makes examples from a seed.
type Generator struct {
	Kind     string   `yaml:"kind" help:"which data is made"`
	Seed     uint64   `yaml:"seed,omitempty" help:"of the examples; left out: the task's"`
	Examples int      `yaml:"examples,omitempty" help:"moons, blobs and linear: training and test examples together"`
	Features int      `yaml:"features,omitempty" help:"blobs and linear: of an example"`
	Classes  int      `yaml:"classes,omitempty" help:"blobs: number of classes"`
	Noise    *float64 `yaml:"noise,omitempty" help:"moons and linear: standard deviation of what is added to the coordinates, or to the target"`
	Spread   float64  `yaml:"spread,omitempty" help:"blobs: standard deviation of a class"`
	Alpha    float64  `yaml:"alpha,omitempty" help:"fedprox: standard deviation of the clients' model means; left out: 0"`
	Beta     float64  `yaml:"beta,omitempty" help:"fedprox: standard deviation of the clients' feature means; left out: 0"`
}

// Kinds of Generator.
const (
	Moons   = "moons"   // two interleaved half circles
	Blobs   = "blobs"   // a Gaussian for each class
	Linear  = "linear"  // a regression whose weights are known
	FedProx = "fedprox" // Synthetic(alpha, beta) of Li et al. (2020)
)

// Dimensions of FedProx.
const (
	FedProxFeatures = 60
	FedProxClasses  = 10
)

// generators are the kinds of Generator and their settings.
var generators = map[string][]string{
	Moons:   {"examples", "noise"},
	Blobs:   {"examples", "features", "classes", "spread"},
	Linear:  {"examples", "features", "noise"},
	FedProx: {"alpha", "beta"},
}

var generatorKinds = []string{Moons, Blobs, Linear, FedProx}

// splits are the data sets of EMNIST and their numbers of classes (Cohen, Afshar, Tapson
// and van Schaik 2017, Table II).
var splits = map[string]int{"balanced": 47, "byclass": 62, "bymerge": 47, "digits": 10, "letters": 26, "mnist": 10}

// Bounds of synthetic data.
const (
	maxGenerated = 1 << 20 // examples
	// MaxValues is the max number of examples times features of a generated table.
	MaxValues = 1 << 24
)

// facts returns what is known of the data before it is read.
func (d *Data) facts() source {
	s := sources[d.Source]
	if d.First > 0 && s.examples > 0 {
		s.examples = min(s.examples, d.First)
	}
	if d.Validation > 0 && d.Validation <= maxValidation && s.examples > 0 {
		s.examples -= int(math.Round(d.Validation * float64(s.examples)))
	}
	switch d.Source {
	case "cifar":
		if n := cmp.Or(d.Classes, 10); n == 10 || n == 100 {
			s.shape, s.classes = []int{32, 32, 3}, n
		}
	case "emnist":
		if n := splits[d.Split]; n > 0 {
			s.shape, s.classes = []int{28, 28}, n
		}
	case synthetic:
		g := d.Generator
		g.fill()
		features := g.Features >= 1 && g.Features <= maxColumns
		switch {
		case g.Kind == Moons:
			s.shape, s.classes = []int{2}, 2
		case g.Kind == Blobs && features && g.Classes >= 2 && g.Classes <= maxCategory:
			s.shape, s.classes = []int{g.Features}, g.Classes
		case g.Kind == Linear && features:
			s.shape = []int{g.Features}
		case g.Kind == FedProx:
			s.shape, s.classes = []int{FedProxFeatures}, FedProxClasses
		}
	}
	return s
}

// predictsNumber says why numbers are predicted and not classes; it is empty if classes
// are, or if that is not known.
func (d *Data) predictsNumber() string {
	switch {
	case d.Source == "csv" && d.CSV.Predict == "number":
		return `data.csv.predict is "number"`
	case d.Source == "npz" && d.NPZ.Predict == "number":
		return `data.npz.predict is "number"`
	case d.Source == synthetic && d.Generator.Kind == Linear:
		return `data.generator.kind is "linear"`
	}
	return ""
}

// fillSource replaces zeros of the settings of a source by their defaults.
func (d *Data) fillSource() {
	switch d.Source {
	case "cifar":
		d.Classes = cmp.Or(d.Classes, 10)
	case "folder":
		d.Channels = cmp.Or(d.Channels, 3)
	case "npz":
		n := &d.NPZ
		n.XTrain, n.YTrain = cmp.Or(n.XTrain, "x_train"), cmp.Or(n.YTrain, "y_train")
		n.XTest, n.YTest = cmp.Or(n.XTest, "x_test"), cmp.Or(n.YTest, "y_test")
		n.Predict = cmp.Or(n.Predict, "class")
	case synthetic:
		d.Generator.fill()
		if d.Generator.Kind == FedProx {
			d.Partition.Kind = GivenClients // the check allows no other
		}
	}
}

// fill replaces zeros by defaults.
func (g *Generator) fill() {
	has := func(setting string) bool { return slices.Contains(generators[g.Kind], setting) }
	if has("examples") {
		g.Examples = cmp.Or(g.Examples, 2000)
	}
	if has("features") {
		g.Features = cmp.Or(g.Features, map[string]int{Blobs: 2, Linear: 10}[g.Kind])
	}
	if has("classes") {
		g.Classes = cmp.Or(g.Classes, 3)
	}
	if has("spread") {
		g.Spread = cmp.Or(g.Spread, 1)
	}
	if noise := 0.1; has("noise") && g.Noise == nil {
		g.Noise = &noise
	}
}

// research checks the settings of cifar, emnist, folder, npz and synthetic. only refuses a
// setting of another source.
func (d *decoder) research(v *Data, only func(field string, here bool, owner string) bool) {
	if only("classes", v.Source == "cifar", `source "cifar"`) {
		d.want(!d.has("data.classes") || v.Classes == 10 || v.Classes == 100, "data.classes", v.Classes, "10, or 100 for CIFAR-100")
	}
	if only("split", v.Source == "emnist", `source "emnist"`) {
		d.want(splits[v.Split] > 0, "data.split", quoted(v.Split), oneOf(slices.Sorted(maps.Keys(splits))))
	}
	colour := only("channels", v.Source == "folder", `source "folder"`)
	if colour {
		colour = d.want(!d.has("data.channels") || v.Channels == 1 || v.Channels == 3, "data.channels", v.Channels, "1 for grey, or 3 for colour")
	}
	if only("size", v.Source == "folder", `source "folder"`) &&
		d.want(v.Size >= 1 && v.Size <= maxSize, "data.size", v.Size, fmt.Sprintf("1 <= size <= %d, pixels along a side", maxSize)) && colour {
		d.want(v.Channels == 1 || v.Size <= maxColourSize, "data.size", v.Size,
			fmt.Sprintf("at most %d because channels is 3: an example has at most 65536 values", maxColourSize))
	}
	if only("npz", v.Source == "npz", `source "npz"`) {
		d.npz(v.NPZ)
	}
	if only("generator", v.Source == synthetic, `source "synthetic"`) {
		d.generator(v.Generator)
	}
	clients := v.Source == synthetic && v.Generator.Kind == FedProx
	switch kind := v.Partition.Kind; {
	case clients && d.has("data.partition.kind"):
		d.want(kind == GivenClients, "data.partition.kind", quoted(kind), quoted(GivenClients)+", because the clients of generator fedprox are its partition")
	case !clients && kind == GivenClients && v.Source != own:
		d.want(false, "data.partition.kind", quoted(kind), oneOf(partitionKinds)+`, because only data of the generator "fedprox" has clients`)
	case kind == ByColumn && v.Source != "csv" && v.Source != own:
		d.want(false, "data.partition.kind", quoted(kind), oneOf(partitionKinds)+`, because only source "csv" has columns to choose from`)
	case kind == ByFile && (v.table() || v.Source == "folder" && v.Holdout != 0):
		d.want(false, "data.partition.kind", quoted(kind), oneOf(partitionKinds)+`, because the training examples are drawn by data.holdout and not those of a file in their order`)
	}
}

// Bounds of the images of a folder: 65,536 values in an example.
const (
	maxSize       = 256
	maxColourSize = 147
)

func (d *decoder) npz(v NPZ) {
	const path = "data.npz."
	d.path(path+"path", v.Path)
	for _, f := range []struct{ field, value string }{{"x_train", v.XTrain}, {"y_train", v.YTrain}, {"x_test", v.XTest}, {"y_test", v.YTest}} {
		d.want(!d.has(path+f.field) || f.value != "" && len(f.value) <= maxPath && !hasControl(f.value, ""), path+f.field, quoted(f.value), "the name of an array in the archive")
	}
	d.want(!d.has(path+"predict") || v.Predict == "class" || v.Predict == "number", path+"predict", quoted(v.Predict), `"class" or "number"`)
	if d.has(path + "classes") {
		d.want(v.Classes >= 2 && v.Classes <= maxCategory, path+"classes", v.Classes, fmt.Sprintf("2 <= classes <= %d", maxCategory))
		d.want(v.Predict != "number", path+"classes", v.Classes, `none, because predict is "number"`)
	}
}

func (d *decoder) generator(g Generator) {
	const path = "data.generator."
	takes, known := generators[g.Kind]
	if !d.want(known, path+"kind", quoted(g.Kind), oneOf(generatorKinds)) {
		return
	}
	for _, field := range []string{"examples", "features", "classes", "noise", "spread", "alpha", "beta"} {
		if d.has(path+field) && !slices.Contains(takes, field) {
			var owners []string
			for _, kind := range generatorKinds {
				if slices.Contains(generators[kind], field) {
					owners = append(owners, kind)
				}
			}
			d.wrong(path+field, fmt.Sprintf("%s is given, want none, because kind is %q (it belongs to kind %s)", path+field, g.Kind, oneOf(owners)))
		}
	}
	check := func(field string, value any, ok bool, want string) bool {
		return !slices.Contains(takes, field) || d.want(ok || !d.has(path+field), path+field, value, want)
	}
	d.want(true, path+"seed", g.Seed, "0 <= seed, 0 for the task's")
	bounded := check("examples", g.Examples, g.Examples >= 10 && g.Examples <= maxGenerated, fmt.Sprintf("10 <= examples <= %d", maxGenerated))
	bounded = check("features", g.Features, g.Features >= 1 && g.Features <= maxColumns, fmt.Sprintf("1 <= features <= %d", maxColumns)) && bounded
	check("classes", g.Classes, g.Classes >= 2 && g.Classes <= maxCategory, fmt.Sprintf("2 <= classes <= %d", maxCategory))
	noise := 0.
	if g.Noise != nil {
		noise = *g.Noise
	}
	check("noise", noise, noise >= 0 && noise <= 1000, "0 <= noise <= 1000")
	check("spread", g.Spread, g.Spread >= 0.001 && g.Spread <= 1000, "0.001 <= spread <= 1000")
	check("alpha", g.Alpha, g.Alpha >= 0 && g.Alpha <= 100, "0 <= alpha <= 100")
	check("beta", g.Beta, g.Beta >= 0 && g.Beta <= 100, "0 <= beta <= 100")
	if g.fill(); bounded && g.Examples*g.Features > MaxValues {
		d.wrong(path+"examples", fmt.Sprintf("%sexamples is %d, want examples * features <= %d (features is %d)", path, g.Examples, MaxValues, g.Features))
	}
}
