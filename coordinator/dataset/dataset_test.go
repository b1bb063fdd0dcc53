package dataset

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// parse returns a task with the given data section.
func parse(t *testing.T, section string, sets ...string) *task.Task {
	t.Helper()
	text := "name: x\nmodel: {kind: mlp}\ndata: " + section + "\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"
	tk, err := task.Parse("x.yaml", []byte(text), sets...)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func write(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func idx(t *testing.T, a data.Array) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := data.WriteIDX(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fourFiles writes eight images of 1 x 2 and four more, and returns the section.
func fourFiles(t *testing.T) (dir, section string) {
	t.Helper()
	dir = t.TempDir()
	first := map[string]int{"train": 10, "test": 0} // no image is in both
	for name, n := range map[string]int{"train": 8, "test": 4} {
		images, labels := data.Array{Dims: []int{n, 1, 2}}, data.Array{Dims: []int{n}}
		for i := range n {
			images.Data = append(images.Data, uint8(first[name]+i), 255)
			labels.Data = append(labels.Data, uint8(i%2))
		}
		write(t, filepath.Join(dir, name+"-images"), packed(t, idx(t, images)))
		write(t, filepath.Join(dir, name+"-labels"), idx(t, labels))
	}
	return dir, "{source: idx, idx: {train_images: " + dir + "/train-images, train_labels: " + dir + "/train-labels, test_images: " +
		dir + "/test-images, test_labels: " + dir + "/test-labels}, partition: {clients: 2}}"
}

func TestIDX(t *testing.T) {
	_, section := fourFiles(t)
	d, err := Open(parse(t, section, "data.pixels={mean: 0.5, deviation: 0.25}"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Public || d.Train.Len() != 8 || d.Test.Len() != 4 || d.Train.Classes() != 2 || !slices.Equal(d.Train.Shape, []int{1, 2}) || len(d.Shards) != 2 {
		t.Errorf("got %+v", d)
	}
	x, y := make([]float32, 2), make([]float32, 1)
	d.Test.Fill(x, y, []int32{0})
	if x[0] != -2 || x[1] < 1.99999 || x[1] > 2.00001 {
		t.Errorf("pixels 0 and 255 read as %v, want -2 and 2", x)
	}
	if d, err = Open(parse(t, section, "data.public=true")); err != nil || !d.Public {
		t.Errorf("told to be public: %v, %v", d, err)
	}
}

// A test set whose examples are all training examples is refused, by content and not
// by file name. A partial overlap is a note.
func TestTestSetIsTrainingSet(t *testing.T) {
	copied := func(t *testing.T, edit func(images, labels data.Array) (data.Array, data.Array)) (*Dataset, error) {
		dir, section := fourFiles(t)
		images, labels := data.Array{Dims: []int{4, 1, 2}}, data.Array{Dims: []int{4}}
		for i := range 4 { // as in the training set
			images.Data = append(images.Data, uint8(10+i), 255)
			labels.Data = append(labels.Data, uint8(i%2))
		}
		images, labels = edit(images, labels)
		write(t, filepath.Join(dir, "test-images"), idx(t, images)) // not compressed, unlike the training set
		write(t, filepath.Join(dir, "test-labels"), idx(t, labels))
		return Open(parse(t, section))
	}
	_, err := copied(t, func(x, y data.Array) (data.Array, data.Array) { return x, y })
	if err == nil || !strings.Contains(err.Error(), "all 4 test examples are training examples in") || !strings.Contains(err.Error(), "want a test set of other examples") {
		t.Errorf("a part of the training set: %v", err)
	}
	d, err := copied(t, func(x, y data.Array) (data.Array, data.Array) { x.Data[0] = 77; return x, y })
	if err != nil || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "3 of the 4 test examples are training examples too") {
		t.Errorf("three of four: %v, %v", d, err)
	}
	d, err = copied(t, func(x, y data.Array) (data.Array, data.Array) { y.Data = []uint8{1, 0, 1, 0}; return x, y })
	if err != nil || len(d.Notes) != 0 {
		t.Errorf("other labels: %v, %v", d, err)
	}
}

func TestIDXRefuses(t *testing.T) {
	for _, c := range []struct {
		name, file string
		spoil      func([]byte) []byte
		want       string
	}{
		{"truncated", "train-labels", func(b []byte) []byte { return b[:len(b)-3] }, "train-labels: data: IDX file ends at byte 13, 3 bytes short in its elements"},
		{"oversized", "train-labels", func(b []byte) []byte { return append(b, 0) }, "train-labels: data: bytes follow the end at byte 16"},
		{"truncated gzip", "train-images", func(b []byte) []byte { return b[:len(b)-12] }, "train-images: data: "},
		{"damaged gzip", "train-images", func(b []byte) []byte { b[len(b)-6] ^= 1; return b }, "train-images: data: read"},
		{"gzip of something else", "train-images", func([]byte) []byte { return packed(t, []byte("text")) }, `train-images: data: IDX file at byte 0 begins with 0x74 0x65, want two zeros`},
		{"no file", "test-images", nil, "no such file or directory (paths are relative to /"},
		{"counts", "train-labels", func([]byte) []byte { return idx(t, data.Array{Dims: []int{1}, Data: []uint8{0}}) }, "8 images but 1 labels"},
		{"labels beyond", "test-labels", func([]byte) []byte { return idx(t, data.Array{Dims: []int{4}, Data: []uint8{0, 1, 2, 0}}) }, "/test-labels: label 2 is 2, want less than 2"},
		{"labels for images", "train-images", func([]byte) []byte { return idx(t, data.Array{Dims: []int{8}, Data: make([]uint8, 8)}) }, "/train-images has shape [8], want images [n, ...]"},
		{"images for labels", "train-labels", func([]byte) []byte {
			return idx(t, data.Array{Dims: []int{8, 1}, Data: make([]uint8, 8)})
		}, "/train-labels has shape [8 1], want labels [n]"},
		{"shapes", "test-images", func([]byte) []byte {
			return idx(t, data.Array{Dims: []int{4, 3}, Data: make([]uint8, 12)})
		}, "test-images has images of shape [3], want [1 2] as in"},
		{"one class", "train-labels", func([]byte) []byte { return idx(t, data.Array{Dims: []int{8}, Data: make([]uint8, 8)}) }, "want at least one label and two classes"},
		{"huge", "train-labels", func([]byte) []byte { return []byte("\x00\x00\x08\x01\xff\xff\xff\xff") }, "more elements than the limit of 1073741824 allows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, section := fourFiles(t)
			path := filepath.Join(dir, c.file)
			if c.spoil == nil {
				os.Remove(path)
			} else {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				write(t, path, c.spoil(b))
			}
			_, err := Open(parse(t, section))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "task x: "+dir) && !strings.Contains(err.Error(), "open "+dir) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	_, err := Open(parse(t, "{source: csv, csv: {path: "+t.TempDir()+", target: y}}"))
	if err == nil || !strings.Contains(err.Error(), "is a folder, want a file") {
		t.Errorf("a folder: %v", err)
	}
}

// Files of Fashion-MNIST's size, with other images.
func TestFashion(t *testing.T) {
	dir := t.TempDir()
	section := "{source: fashion-mnist, dir: " + dir + "}"
	if _, err := Open(parse(t, section)); err == nil || !strings.Contains(err.Error(), "there is no train-images-idx3-ubyte.gz in "+dir+": want the folder of") {
		t.Errorf("an empty folder: %v", err)
	}
	for name, n := range map[string]int{"train": 60000, "t10k": 10000} {
		labels := data.Array{Dims: []int{n}, Data: make([]uint8, n)}
		for i := range labels.Data {
			labels.Data[i] = uint8(i % 10)
		}
		images := data.Array{Dims: []int{n, 28, 28}, Data: make([]uint8, n*784)}
		if name == "t10k" {
			images.Data[0] = 1 // not a training image
		}
		write(t, filepath.Join(dir, name+"-images-idx3-ubyte.gz"), packed(t, idx(t, images)))
		write(t, filepath.Join(dir, name+"-labels-idx1-ubyte"), idx(t, labels))
	}
	d, err := Open(parse(t, section))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Public || d.Train.Len() != 60000 || d.Train.Classes() != 10 || len(d.Classes) != 10 {
		t.Errorf("got %+v", d)
	}
	write(t, filepath.Join(dir, "t10k-images-idx3-ubyte"), nil) // the compressed one is preferred
	write(t, filepath.Join(dir, "train-images-idx3-ubyte.gz"), idx(t, data.Array{Dims: []int{2, 28, 28}, Data: make([]uint8, 2*784)}))
	write(t, filepath.Join(dir, "train-labels-idx1-ubyte"), idx(t, data.Array{Dims: []int{2}, Data: make([]uint8, 2)}))
	if _, err := Open(parse(t, section)); err == nil || !strings.Contains(err.Error(), "has 2 and 10000 images") {
		t.Errorf("other files: %v", err)
	}
}

// The shipped table has its rows, features and classes, and is standardised by the
// training rows alone.
func TestANES96(t *testing.T) {
	d, err := Open(parse(t, "{source: anes96, partition: {clients: 10}}"))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Public || d.Train.Len() != 755 || d.Test.Len() != 189 || d.Train.Features() != 9 || !slices.Equal(d.Classes, []string{"Clinton", "Dole"}) {
		t.Errorf("got %s, %v", d.Summary, d.Classes)
	}
	for j := range 9 {
		sum := 0.0
		for i := range 755 {
			sum += float64(d.Train.Values[9*i+j])
		}
		if mean := sum / 755; mean > 1e-6 || mean < -1e-6 {
			t.Errorf("%s has mean %v in training, want 0", d.Encoding().Features()[j], mean)
		}
	}
	other, err := Open(parse(t, "{source: anes96, partition: {clients: 10}}", "seed=2"))
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(d.Test.Values, other.Test.Values) {
		t.Error("two seeds hold out the same rows")
	}
	if _, err := d.Model(parse(t, "{source: anes96}")); err != nil {
		t.Error(err)
	}
}

// All settings of a table in a task file reach the reader.
func TestCSV(t *testing.T) {
	const text = "id|when|size|colour|y\n1|2,5|?|blue|up\n2|3,5|1|blue|down\n3|4,5|2|red|up\n4|0,5|2|red|down\n5|1,5|9|red|up\n"
	path := write(t, filepath.Join(t.TempDir(), "x.csv"), packed(t, []byte(text)))
	d, err := Open(parse(t, "{source: csv, public: true, holdout: 0.2, partition: {clients: 2}, csv: {path: "+path+`, target: y, classes: [up, down], ignore: [id],
  categorical: [{column: colour, values: [red, blue, green]}], separator: "|", decimal: comma, header: present, missing: median, scale: none}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"when", "size", "colour=red", "colour=blue", "colour=green"}; !slices.Equal(d.Encoding().Features(), want) || !slices.Equal(d.Classes, []string{"up", "down"}) {
		t.Errorf("features %q, classes %q", d.Encoding().Features(), d.Classes)
	}
	if want := []string{"1 missing values filled", "categories of colour: red, blue, green", `no test row is of class "up": its recall is unknown, and balanced accuracy and F1 leave it out`}; !slices.Equal(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
	if !d.Public || d.Train.Len() != 4 || d.Test.Len() != 1 || slices.Max(d.Train.Values) < 2.5 {
		t.Errorf("%s: %v", d.Summary, d.Train.Values)
	}
	numbers := parse(t, "{source: csv, partition: {kind: dirichlet-sizes, alpha: 1, clients: 2}, csv: {path: "+path+", target: when, predict: number, ignore: [id, size, y], separator: '|', categorical: [{column: colour}]}}")
	if d, err = Open(numbers); err != nil {
		t.Fatal(err)
	}
	if len(d.Train.Targets) != 4 || d.Train.Y != nil || d.Public {
		t.Errorf("targets %v, labels %v", d.Train.Targets, d.Train.Y)
	}
	d.Train.Release()
	for name, c := range map[string]struct{ set, want string }{
		"no file":     {"data.csv.path=nowhere.csv", "open nowhere.csv: no such file or directory (paths are relative to /"},
		"bad value":   {"data.csv.separator=comma", "x.csv: there is no column"},
		"missing":     {"data.csv.missing=refuse", path + `:2: column 3 (size) is "?"`},
		"one class":   {"data.csv.classes=", ""},
		"few to hold": {"data.partition.clients=5", "5 clients for 3 examples"},
	} {
		tk := parse(t, "{source: csv, partition: {clients: 2}, csv: {path: "+path+", target: y, ignore: [id], separator: '|', missing: drop, categorical: [{column: colour}]}}", c.set)
		if _, err := Open(tk); c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	_, err = Open(parse(t, "{source: csv, csv: {path: nowhere.csv, target: y}}"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

// Duplicated rows of a table, of which the hold-out takes one copy, are a note.
func TestDuplicateRows(t *testing.T) {
	for _, predict := range []string{"class", "number"} {
		table := func(copies int) *Dataset {
			var b strings.Builder
			b.WriteString("a,b,y\n")
			for i := range 60 * copies {
				fmt.Fprintf(&b, "%d,%d,%d\n", i%60, i%60*7%13, i%60%2)
			}
			path := write(t, filepath.Join(t.TempDir(), "x.csv"), []byte(b.String()))
			d, err := Open(parse(t, "{source: csv, partition: {clients: 2}, csv: {path: "+path+", target: y, predict: "+predict+"}}"))
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		if d := table(1); len(d.Notes) > 0 {
			t.Errorf("%s, distinct rows: notes %q, want none", predict, d.Notes)
		}
		if d := table(5); len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "of the 60 test rows are equal to training rows") {
			t.Errorf("%s, five copies: notes %q", predict, d.Notes)
		}
	}
}

// A model that cannot take the loaded data is refused with its line.
func TestModelRefused(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "x.csv"), []byte("a,b,y\n1,2,u\n2,3,v\n3,1,u\n4,5,v\n5,0,u\n"))
	tk := parse(t, "{source: csv, partition: {clients: 2}, csv: {path: "+path+", target: y}}", "model={kind: layers, layers: [{conv: 3, size: 3}]}")
	d, err := Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	var refused *task.Error
	if _, err = d.Model(tk); !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), ": model.layers[0], conv: input shape: [2], want [height, width] or [height, width, channels]") {
		t.Errorf("got %v", err)
	}
}

// Partitions by label refuse examples without labels; the others divide them.
func TestPartition(t *testing.T) {
	labelled, err := data.NewLabelled([]int{1}, make([]float32, 40), bytes.Repeat([]byte{0, 1}, 20), 2)
	if err != nil {
		t.Fatal(err)
	}
	measured, err := data.NewMeasured([]int{1}, make([]float32, 40), make([]float32, 40))
	if err != nil {
		t.Fatal(err)
	}
	for kind, byLabel := range map[string]bool{task.IID: false, task.Shards: true, task.Dirichlet: true, task.DirichletClients: true, task.Classes: true, task.DirichletSizes: false, task.PowerLaw: false} {
		p := task.Partition{Kind: kind, Clients: 4, PerClient: 2, ClassesPerClient: 1, Alpha: 1, Exponent: 1}
		if got, err := partition(labelled.Len(), labelled.Y, labelled.Classes(), p, 1); err != nil || len(got) != 4 {
			t.Errorf("%s: %v, %v", kind, got, err)
		}
		if _, err := partition(measured.Len(), nil, 0, p, 1); (err != nil) != byLabel {
			t.Errorf("%s without labels: %v", kind, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	set, err := data.NewLabelled([]int{2}, make([]float32, 12), []uint8{0, 0, 0, 1, 1, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	d := &Dataset{
		Summary: "six rows", Train: set, encoding: &data.Encoding{Columns: []data.EncodedColumn{{Name: "a"}, {Name: "b\n"}}}, Classes: []string{"no", "yes"}, Notes: []string{"a note"},
		Shards: [][]int32{{0, 1, 3, 4}, {2, 5}},
	}
	const head = `six rows
features: a, "b\n"
classes: no, yes
a note
`
	check := func(want string) {
		t.Helper()
		var b strings.Builder
		if err := d.Describe(&b); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("got\n%s\nwant\n%s", b.String(), want)
		}
	}
	check(head + `2 clients: 2 to 4 examples, median 3 (as uneven as 1.8 clients of equal size)
2 to 2 of 2 classes per client, 2.0 on average
distance of a client's classes from all examples' (total variation, 0 to 1): 0.000 on average, 0.000 at most
  client  examples  no  yes  distance
       0         4   2    2     0.000
       1         2   1    1     0.000
`)
	// Of many clients, the first ones are shown.
	d.Shards = nil
	for i := range shownClients + 1 {
		d.Shards = append(d.Shards, []int32{int32(i % 6)})
	}
	d.Shards = append(d.Shards, []int32{0, 1, 2})
	check(head + `202 clients: 1 to 3 examples, median 1 (as uneven as 198.2 clients of equal size)
1 to 1 of 2 classes per client, 1.0 on average
distance of a client's classes from all examples' (total variation, 0 to 1): 0.500 on average, 0.515 at most
  client  examples  no  yes  distance
       0         1   1    0     0.485
       1         1   1    0     0.485
       2         1   1    0     0.485
       3         1   0    1     0.515
       4         1   0    1     0.515
       5         1   0    1     0.515
       6         1   1    0     0.485
       7         1   1    0     0.485
       8         1   1    0     0.485
       9         1   0    1     0.515
      10         1   0    1     0.515
      11         1   0    1     0.515
      12         1   1    0     0.485
      13         1   1    0     0.485
      14         1   1    0     0.485
      15         1   0    1     0.515
      16         1   0    1     0.515
      17         1   0    1     0.515
      18         1   1    0     0.485
      19         1   1    0     0.485
and 182 more clients
`)
	// A task of common size has a line per client, with its classes.
	d.Shards = nil
	for i := range 200 {
		d.Shards = append(d.Shards, []int32{int32(i % 6)})
	}
	var b strings.Builder
	if err := d.Describe(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\n     199         1   1    0     0.495\n") || strings.Contains(b.String(), "more clients") {
		t.Errorf("got\n%s", b.String())
	}
}

// A figure of a class without test rows cannot end a run.
func TestGoalsWithoutTestRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rare.csv")
	rows := "a,y\n" + strings.Repeat("1,x\n2,x\n", 50) + "3,rare\n"
	if err := os.WriteFile(path, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(goal string) error {
		tk, err := task.Find("csv", []string{"data.csv.path=" + path, "data.csv.target=y", "data.csv.ignore=", "data.csv.missing=", "data.partition.clients=2", "stop.metrics=[" + goal + "]"})
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(tk)
		if err != nil {
			t.Fatal(err)
		}
		if n := data.Count(d.Test.Y, 2); n[0] != 0 {
			t.Fatalf("%v test rows by class, want none of the rare one", n)
		}
		_, err = d.Model(tk)
		return err
	}
	for goal, want := range map[string]string{
		"{metric: accuracy, reach: 0.9}":             "",
		"{metric: recall, class: x, reach: 0.9}":     "",
		"{metric: recall, class: rare, reach: 0.9}":  `stop.metrics[0].class is "rare", want a class with test examples`,
		"{metric: balanced_accuracy, reach: 0.9}":    `stop.metrics[0].metric is "balanced_accuracy", want another figure, or a larger data.holdout: class "rare" has no test examples`,
		"{metric: f1, reach: 0.9}":                   `class "rare" has no test examples`,
		"{metric: precision, class: no, reach: 0.9}": `stop.metrics[0].class is "no", want a class of the data: "rare" or "x"`,
	} {
		if err := open(goal); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", goal, err, want)
		}
	}
}
