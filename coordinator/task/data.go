package task

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"fedtab/learn/data"
)

// Data names the training and test data. Paths are relative to the working directory
// of the coordinator.
type Data struct {
	Source     string    `yaml:"source" help:"own: participants bring the data"`
	Dir        string    `yaml:"dir,omitempty"` // of the files of fashion-mnist (default: that of Debian's package), cifar, emnist and folder
	Classes    int       `yaml:"classes,omitempty" help:"cifar: 10, or 100 for the fine labels of CIFAR-100"`
	Split      string    `yaml:"split,omitempty" help:"emnist: which of its data sets"`
	Size       int       `yaml:"size,omitempty" help:"folder: pixels along a side that pictures become"`
	Channels   int       `yaml:"channels,omitempty" help:"folder: 1 for grey images, 3 for coloured ones"`
	IDX        IDX       `yaml:"idx,omitempty"`       // source idx only
	CSV        CSV       `yaml:"csv,omitempty"`       // source csv only
	NPZ        NPZ       `yaml:"npz,omitempty"`       // source npz only
	Generator  Generator `yaml:"generator,omitempty"` // source synthetic only
	Pixels     Pixels    `yaml:"pixels,omitempty"`    // of images only
	Holdout    float64   `yaml:"holdout,omitempty" help:"of tables, synthetic, folder and own data: the share of examples in the test set, or of a participant's examples"`
	First      int       `yaml:"first,omitempty" help:"of images in files: how many training examples are used, the first ones; left out: all"`
	Validation float64   `yaml:"validation,omitempty" help:"the share of the training examples on which nothing is trained: the guard, stop conditions and the choice of the best version go by them; left out: none"`
	Public     bool      `yaml:"public,omitempty" help:"of files of the organiser: serve the training examples to participants"`
	Drift      int       `yaml:"drift,omitempty"` // in a simulation: mini-batches of every client until a concept drift that permutes the labels
	Partition  Partition `yaml:"partition,omitempty"`

	// Of source own only; see own.go.
	Table       Table    `yaml:"table,omitempty"`
	Images      Images   `yaml:"images,omitempty"`
	Standardise string   `yaml:"standardise,omitempty" help:"own tables: numbers by the means and deviations of all participants (federated), of each (local), or not at all"`
	Examples    Examples `yaml:"examples,omitempty"`
	From        From     `yaml:"from,omitempty"`
}

// IDX names four files in the format of MNIST, plain or compressed with gzip.
type IDX struct {
	TrainImages string `yaml:"train_images"`
	TrainLabels string `yaml:"train_labels"`
	TestImages  string `yaml:"test_images"`
	TestLabels  string `yaml:"test_labels"`
	Classes     int    `yaml:"classes,omitempty"` // default: the largest label plus one
}

// CSV configures the reading of a table, plain or compressed with gzip.
type CSV struct {
	Path        string     `yaml:"path" help:"of the table"`
	Target      string     `yaml:"target" help:"the predicted column"`
	Predict     string     `yaml:"predict" help:"what the column holds"`
	Classes     []string   `yaml:"classes,omitempty"`     // in the order of their labels; default: those in the file, sorted
	Ignore      []string   `yaml:"ignore,omitempty"`      // columns that are not read
	Categorical []Category `yaml:"categorical,omitempty"` // columns of categories; all others hold numbers
	Separator   string     `yaml:"separator" help:"between the fields"`
	Decimal     string     `yaml:"decimal" help:"the decimal sign"`
	Header      string     `yaml:"header" help:"whether the first line has the names of the columns"`
	Missing     string     `yaml:"missing" help:"refuse, drop the row, or fill with the mean or the median"`
	Constant    string     `yaml:"constant" help:"columns with one value"`
	Scale       string     `yaml:"scale" help:"standard: mean 0, variance 1"`
}

// Category is a categorical column of a CSV file.
type Category struct {
	Column string   `yaml:"column"`           // its name, or its number from 1 in quotes
	Values []string `yaml:"values,omitempty"` // the allowed values; default: those in the file
}

// Pixels standardises images: pixel p, 0 to 255, becomes (p/255 - Mean) / Deviation.
// The zero value stands for p/255.
type Pixels struct {
	Mean      float64 `yaml:"mean" help:"of images: pixel p, 0 to 255, becomes (p/255 - mean) / deviation"`
	Deviation float64 `yaml:"deviation" help:"of images, as mean"`
}

// Partition configures how the training examples are divided among clients.
type Partition struct {
	Kind             string  `yaml:"kind" help:"how the training examples are divided"`
	Clients          int     `yaml:"clients" help:"shards that the training examples are divided into"`
	PerClient        int     `yaml:"shards_per_client,omitempty" help:"kind shards"`
	ClassesPerClient int     `yaml:"classes_per_client,omitempty" help:"kind classes"`
	Alpha            float64 `yaml:"alpha,omitempty" help:"kinds dirichlet, dirichlet-clients and dirichlet-sizes: concentration; a smaller one makes clients differ more"`
	Exponent         float64 `yaml:"exponent,omitempty" help:"kind power-law: a larger one makes sizes differ more; 1 is Zipf's law"`
	Column           string  `yaml:"column,omitempty" help:"kind column: the column of a table that tells whose a row is; it is no feature"`
	Path             string  `yaml:"path,omitempty" help:"kind file: a text file with a line for each training example: whose it is"`
}

// Kinds of Partition.
const (
	IID              = "iid"               // random samples of equal size
	Shards           = "shards"            // sorted by label, cut, assigned at random: FedAvg's pathological partition
	Dirichlet        = "dirichlet"         // per class, the clients' shares of it drawn from Dir(Alpha, ..., Alpha)
	DirichletClients = "dirichlet-clients" // per client, its class distribution drawn from Dir(Alpha * that of all examples); equal sizes
	Classes          = "classes"           // ClassesPerClient classes for every client
	DirichletSizes   = "dirichlet-sizes"   // random samples, sizes drawn from Dir(Alpha, ..., Alpha)
	PowerLaw         = "power-law"         // random samples, sizes proportional to rank^-Exponent
	GivenClients     = "given"             // the clients that the data has: generator fedprox only
	ByColumn         = "column"            // a client for each value of Column: source csv only
	ByFile           = "file"              // a client for each text in the file Path
)

var (
	partitionKinds = []string{IID, Shards, Dirichlet, DirichletClients, Classes, DirichletSizes, PowerLaw} // of any examples
	taskKinds      = append(slices.Clone(partitionKinds), GivenClients, ByColumn, ByFile)                  // of data.partition
	withClasses    = []string{Shards, Dirichlet, DirichletClients, Classes}                                // divide by class
	withAlpha      = []string{Dirichlet, DirichletClients, DirichletSizes}
)

// Limits of a Data section.
const (
	maxPath       = 4096 // bytes
	maxValidation = .5   // share of the training examples
	maxColumns    = 4096 // in a list
	maxCategory   = 256  // classes, or values of a column
)

// fill replaces zeros by defaults.
func (d *Data) fill() {
	d.fillSource()
	d.Partition.fill()
	if d.table() && d.Holdout == 0 {
		d.Holdout = holdout
	}
	if d.Source != "csv" {
		return
	}
	c := &d.CSV
	for _, f := range []struct {
		field *string
		value string
	}{
		{&c.Predict, "class"}, {&c.Separator, "detect"}, {&c.Decimal, "detect"}, {&c.Header, "detect"},
		{&c.Missing, "refuse"}, {&c.Constant, "refuse"}, {&c.Scale, "standard"},
	} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	// Empty lists become nil, so that equal tasks have equal hashes.
	c.Classes, c.Ignore, c.Categorical = orNil(c.Classes), orNil(c.Ignore), orNil(c.Categorical)
	for i := range c.Categorical {
		c.Categorical[i].Values = orNil(c.Categorical[i].Values)
	}
}

// fill replaces zeros by defaults.
func (p *Partition) fill() {
	switch {
	case p.Kind == Shards && p.PerClient == 0:
		p.PerClient = 2
	case p.Kind == Classes && p.ClassesPerClient == 0:
		p.ClassesPerClient = 1
	case p.Kind == ByColumn || p.Kind == ByFile:
		p.Clients = 0 // the data tells
	}
}

func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// table reports whether the examples are rows of a table, of which a share is held out.
func (d *Data) table() bool {
	return d.Source == "csv" || d.Source == "anes96" || d.Source == synthetic
}

// target returns whether the data has classes or numbers to predict, empty if
// unknown.
func (d *decoder) target() string {
	v := &d.root.Data
	_, known := sources[v.Source]
	source := v.facts()
	switch {
	case !known || d.brokenAt("data.csv.predict") || d.brokenAt("data.npz.predict") || d.brokenAt("data.table.label.type"),
		v.Source == synthetic && source.shape == nil:
		return ""
	case v.predictsNumber() != "", source.shape != nil && source.classes == 0,
		v.Source == own && v.Table.Label.Type == string(data.NumberField):
		return numbers
	}
	return classes
}

// data checks a Data section.
func (d *decoder) data(v *Data) {
	_, known := sources[v.Source]
	source := v.facts()
	if v.Source != own {
		d.partition("data.partition.", v.Partition, source.examples, taskKinds)
	}
	if !d.want(known, "data.source", quoted(v.Source), wantSource) {
		return
	}
	// A setting of another source would have no effect: it is refused.
	only := func(field string, here bool, owner string) bool {
		path := "data." + field
		if d.hasIn(path) && !here {
			d.wrong(path, fmt.Sprintf("%s is given, want none, because source is %q (it belongs to %s)", path, v.Source, owner))
		}
		return here
	}
	if only("first", slices.Contains(withOrder, v.Source), `sources `+list(withOrder)) {
		d.want(v.First >= 0, "data.first", v.First, "first >= 1 (0: all)")
	}
	if only("dir", slices.Contains(withDir, v.Source), `sources `+list(withDir)) && (d.has("data.dir") || v.Source != "fashion-mnist") {
		d.path("data.dir", v.Dir)
	}
	if only("idx", v.Source == "idx", `source "idx"`) {
		d.idx(v.IDX)
	}
	if only("csv", v.Source == "csv", `source "csv"`) {
		d.csv(v.CSV)
	}
	d.research(v, only)
	only("public", source.files, `sources `+list(withFiles)+"; the others are public")
	if only("pixels", source.images, "images") && d.hasIn("data.pixels") {
		p := v.Pixels
		d.want(p.Mean >= 0 && p.Mean <= 1, "data.pixels.mean", p.Mean, "0 <= mean <= 1, where 1 is white")
		d.want(p.Deviation >= 0.001 && p.Deviation <= 1000, "data.pixels.deviation", p.Deviation, "0.001 <= deviation <= 1000")
	}
	held := v.table() || v.Source == "folder"
	if only("holdout", held || v.Source == own, "tables, folders and synthetic data") && held && d.has("data.holdout") {
		d.want(v.Holdout > 0 && v.Holdout < 1, "data.holdout", v.Holdout, "0 < holdout < 1, the share of rows in the test set")
	}
	if d.has("data.validation") {
		d.validation(v)
	}
	d.byClass("data.partition.kind", v.Partition.Kind, v.predictsNumber() != "", v.predictsNumber())
	for _, field := range []string{"table", "images", "standardise", "examples", "from"} {
		only(field, v.Source == own, `source "own"`)
	}
	if v.Source != own {
		if d.hasIn("evaluate") {
			d.wrong("evaluate", fmt.Sprintf(`evaluate is given, want none, because source is %q (it belongs to source "own"; of others, eval_every is the period)`, v.Source))
		}
		return
	}
	only("partition", false, "the other sources; data.from has one for simulations")
	d.ownData(v)
}

// validation checks the share of the validation set.
func (d *decoder) validation(v *Data) {
	if v.Source == own {
		d.wrong("data.validation", fmt.Sprintf("data.validation is %v, want none, because source is \"own\": the hold-outs of participants (data.holdout) are there to select by", v.Validation))
		return
	}
	d.want(v.Validation >= 0 && v.Validation <= maxValidation, "data.validation", v.Validation, fmt.Sprintf("0 < validation <= %v, the share of the training examples (0: none)", maxValidation))
}

// byClass refuses partitions by class of data without classes.
func (d *decoder) byClass(path, kind string, numbers bool, why string) {
	if numbers && slices.Contains(withClasses, kind) {
		d.wrong(path, fmt.Sprintf("%s is %q, want %q, %q or %q, because %s: there are no classes to divide by", path, kind, IID, DirichletSizes, PowerLaw, why))
	}
}

// path checks that s can be the path of a file.
func (d *decoder) path(path, s string) {
	d.want(s != "" && len(s) <= maxPath && !hasControl(s, ""), path, quoted(s), fmt.Sprintf("a path of 1 to %d bytes", maxPath))
}

func (d *decoder) idx(v IDX) {
	d.path("data.idx.train_images", v.TrainImages)
	d.path("data.idx.train_labels", v.TrainLabels)
	d.path("data.idx.test_images", v.TestImages)
	d.path("data.idx.test_labels", v.TestLabels)
	if d.has("data.idx.classes") {
		d.want(v.Classes >= 2 && v.Classes <= maxCategory, "data.idx.classes", v.Classes, fmt.Sprintf("2 <= classes <= %d", maxCategory))
	}
}

func (d *decoder) csv(v CSV) {
	const path = "data.csv."
	d.path(path+"path", v.Path)
	d.want(data.ValidText(v.Target), path+"target", quoted(v.Target), "the name of the column to be predicted, or its number from 1 in quotes")
	choice := func(field, value string, of ...string) {
		if d.has(path + field) {
			d.want(slices.Contains(of, value), path+field, quoted(value), oneOf(of))
		}
	}
	choice("predict", v.Predict, "class", "number")
	choice("decimal", v.Decimal, "detect", "point", "comma")
	choice("header", v.Header, "detect", "present", "absent")
	choice("missing", v.Missing, "refuse", "drop", "mean", "median")
	choice("constant", v.Constant, "refuse", "drop")
	choice("scale", v.Scale, "standard", "none")
	if d.has(path + "separator") {
		named := slices.Contains([]string{"detect", "comma", "semicolon", "tab"}, v.Separator)
		single := utf8.RuneCountInString(v.Separator) == 1 && v.Separator != `"` && !hasControl(v.Separator, "\t")
		d.want(named || single, path+"separator", quoted(v.Separator), `"detect", "comma", "semicolon", "tab" or a single character that is no quote`)
	}
	if v.Predict == "number" && len(v.Classes) > 0 {
		d.wrong(path+"classes", path+`classes is given, want none, because predict is "number"`)
	}
	d.texts(path+"classes", v.Classes, maxCategory)
	d.texts(path+"ignore", v.Ignore, maxColumns)
	d.want(len(v.Categorical) <= maxColumns, path+"categorical", fmt.Sprintf("a list of %d", len(v.Categorical)), fmt.Sprintf("at most %d", maxColumns))
	for i, c := range v.Categorical {
		item := fmt.Sprintf("%scategorical[%d]", path, i)
		d.want(data.ValidText(c.Column), item+".column", quoted(c.Column), "the name of a column, or its number from 1 in quotes")
		d.texts(item+".values", c.Values, maxCategory)
	}
}

// texts checks a list of names or values.
func (d *decoder) texts(path string, list []string, maxLen int) {
	if !d.want(len(list) <= maxLen, path, fmt.Sprintf("a list of %d", len(list)), fmt.Sprintf("at most %d", maxLen)) {
		return
	}
	first := map[string]int{}
	for i, s := range list {
		item := fmt.Sprintf("%s[%d]", path, i)
		if !d.want(data.ValidText(s), item, quoted(s), "a short text on one line, without spaces around it") {
			continue
		}
		if j, twice := first[s]; twice {
			d.wrong(item, fmt.Sprintf("%s is %s, as %s[%d] is already, want each once", item, quoted(s), path, j))
			continue
		}
		first[s] = i
	}
}

// oneOf returns the list as "a", "b" or "c".
func oneOf(list []string) string { return joined(list, " or ") }

// list returns the list as "a", "b" and "c".
func list(all []string) string { return joined(all, " and ") }

func joined(list []string, last string) string {
	var b strings.Builder
	for i, s := range list {
		switch {
		case i > 0 && i == len(list)-1:
			b.WriteString(last)
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(quoted(s))
	}
	return b.String()
}

// partition checks a Partition of the given number of examples, 0 if unknown, which may be
// one of all kinds. path is that of its section, with a point at the end.
func (d *decoder) partition(path string, p Partition, examples int, all []string) {
	kind := d.want(slices.Contains(all, p.Kind), path+"kind", quoted(p.Kind), oneOf(all))
	clients := p.Kind == ByColumn || p.Kind == ByFile
	if clients {
		d.want(p.Clients == 0 || !d.has(path+"clients"), path+"clients", p.Clients, fmt.Sprintf("none, because kind is %q: the data tells how many", p.Kind))
	} else {
		clients = d.want(p.Clients >= 1 && p.Clients <= MaxClients, path+"clients", p.Clients, fmt.Sprintf("1 <= clients <= %d", MaxClients))
	}
	if !kind {
		return
	}
	// only reports whether field is given, and refuses it with kinds that do not
	// have it.
	only := func(field string, value any, kinds ...string) bool {
		if !d.has(path + field) {
			return false
		}
		if slices.Contains(kinds, p.Kind) {
			return true
		}
		d.want(false, path+field, value, fmt.Sprintf("none, because kind is %q (it belongs to kind %s)", p.Kind, oneOf(kinds)))
		return false
	}
	shards := true
	if only("shards_per_client", p.PerClient, Shards) {
		shards = d.want(p.PerClient >= 1 && p.PerClient <= MaxShards, path+"shards_per_client", p.PerClient, fmt.Sprintf("1 <= shards_per_client <= %d", MaxShards))
	}
	if only("classes_per_client", p.ClassesPerClient, Classes) {
		d.want(p.ClassesPerClient >= 1 && p.ClassesPerClient <= maxCategory, path+"classes_per_client", p.ClassesPerClient, fmt.Sprintf("1 <= classes_per_client <= %d", maxCategory))
	}
	// Below 0.001 one client or class gets everything; above 1000 the partition is
	// close to IID.
	const wantAlpha = "0.001 <= alpha <= 1000"
	if only("alpha", p.Alpha, withAlpha...) {
		d.want(p.Alpha >= 0.001 && p.Alpha <= 1000, path+"alpha", p.Alpha, wantAlpha)
	} else if slices.Contains(withAlpha, p.Kind) {
		d.wrong(path+"alpha", fmt.Sprintf("%salpha is missing, want %s (kind is %q)", path, wantAlpha, p.Kind))
	}
	const wantExponent = "0 < exponent <= 10"
	if only("exponent", p.Exponent, PowerLaw) {
		d.want(p.Exponent > 0 && p.Exponent <= 10, path+"exponent", p.Exponent, wantExponent)
	} else if p.Kind == PowerLaw {
		d.wrong(path+"exponent", fmt.Sprintf("%sexponent is missing, want %s (kind is %q; 1 is Zipf's law)", path, wantExponent, p.Kind))
	}
	if only("column", quoted(p.Column), ByColumn) || p.Kind == ByColumn {
		d.want(data.ValidText(p.Column), path+"column", quoted(p.Column), "the name of a column, or its number from 1 in quotes")
	}
	if only("path", quoted(p.Path), ByFile) || p.Kind == ByFile {
		d.path(path+"path", p.Path)
	}
	per := p.PerClient
	if per == 0 {
		per = 2
	}
	if p.Kind == Shards && clients && shards && examples > 0 && p.Clients*per > examples {
		d.wrong(path+"shards_per_client", fmt.Sprintf("%s makes %d clients x %d shards, want at most %d shards (the data has %d examples)",
			strings.TrimSuffix(path, "."), p.Clients, per, examples, examples))
	}
}
