package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"fedtab/learn/data"
)

// fails checks that a task's data cannot be opened, and that the error says why.
func fails(t *testing.T, section string, wants ...string) {
	t.Helper()
	_, err := Open(parse(t, section))
	for _, want := range wants {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func opened(t *testing.T, section string, sets ...string) *Dataset {
	t.Helper()
	d, err := Open(parse(t, section, sets...))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCIFAR(t *testing.T) {
	for _, c := range []struct{ classes, train int }{{10, 50}, {100, 10}} {
		dir := CIFARFolder(t, c.classes, 10)
		section := fmt.Sprintf("{source: cifar, dir: %s, classes: %d, partition: {clients: 5}}", dir, c.classes)
		d := opened(t, section)
		if d.Public || d.Train.Len() != c.train || d.Test.Len() != 10 || d.Train.Classes() != c.classes || !slices.Equal(d.Train.Shape, []int{32, 32, 3}) {
			t.Errorf("%d classes: got %s, %v", c.classes, d.Summary, d.Train.Shape)
		}
		// Image 3 is of class 3: its channels lie side by side.
		if got, want := d.Train.X[3*3072+3*8:][:3], []uint8{24 + 1, 16 + 24 + 1, 32 + 24 + 1}; !slices.Equal(got, want) || d.Train.Y[3] != 3 {
			t.Errorf("%d classes: pixel 8 of image 3 is %v of class %d, want %v of 3", c.classes, got, d.Train.Y[3], want)
		}
		if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "has 50000 and 10000") {
			t.Errorf("%d classes: notes %q", c.classes, d.Notes)
		}
		if !opened(t, section, "data.public=true").Public {
			t.Error("told to be public")
		}
	}
}

func TestCIFARNames(t *testing.T) {
	dir := CIFARFolder(t, 100, 3)
	section := "{source: cifar, classes: 100, dir: " + dir + ", partition: {clients: 1}}"
	if d := opened(t, section); d.Classes != nil || d.ClassNames()[99] != "99" {
		t.Errorf("without the file of names: %v", d.Classes)
	}
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("class_%d", i))
	}
	write(t, filepath.Join(dir, "fine_label_names.txt"), []byte(strings.Join(names, "\n")+"\n\n"))
	if d := opened(t, section); !slices.Equal(d.Classes, names) {
		t.Errorf("names are %v", d.Classes)
	}
	write(t, filepath.Join(dir, "fine_label_names.txt"), []byte("apple\npear\n"))
	fails(t, section, "fine_label_names.txt has 2 names, want 100")
}

func TestCIFARRefuses(t *testing.T) {
	for _, c := range []struct {
		name, file string
		content    []byte // nil: no such file
		want       string
	}{
		{"a missing batch", "data_batch_3.bin", nil, "there is no data_batch_3.bin and no data_batch_3.bin.gz in "},
		{"cut off", "data_batch_2.bin", make([]byte, 3073+100), "data_batch_2.bin: record 1 ends after 100 bytes, want 3073: the file is cut off, or not one of CIFAR-10"},
		{"a label", "test_batch.bin", append([]byte{10}, make([]byte, 3072)...), "test_batch.bin: record 0 has label 10, want less than 10"},
		{"empty", "test_batch.bin", []byte{}, "test_batch.bin is empty, want records of 3073 bytes"},
		{"a truncated gzip", "data_batch_5.bin", packed(t, make([]byte, 3073))[:30], "data_batch_5.bin: record 1 ends after 0 bytes, want 3073: the file is cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := CIFARFolder(t, 10, 2)
			if path := filepath.Join(dir, c.file); c.content == nil {
				os.Remove(path)
			} else {
				write(t, path, c.content)
			}
			fails(t, "{source: cifar, dir: "+dir+"}", c.want)
		})
	}
	fails(t, "{source: cifar, classes: 100, dir: "+CIFARFolder(t, 10, 2)+"}", "there is no train.bin", "want the files of the binary version of CIFAR-100: train.bin, test.bin")
	dir := CIFARFolder(t, 10, 2)
	batch, err := os.ReadFile(filepath.Join(dir, "data_batch_2.bin"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "test_batch.bin"), batch)
	fails(t, "{source: cifar, dir: "+dir+"}", "all 2 test examples are training examples")
}

func TestEMNIST(t *testing.T) {
	for split, classes := range map[string]int{"balanced": 47, "byclass": 62, "bymerge": 47, "digits": 10, "letters": 26, "mnist": 10} {
		d := opened(t, fmt.Sprintf("{source: emnist, dir: %s, split: %s, partition: {clients: 5}}", EMNISTFolder(t, split, 70), split))
		if d.Train.Len() != 70 || d.Test.Len() != 70 || d.Labels() != classes || len(d.Classes) != classes || d.Public {
			t.Errorf("%s: got %s", split, d.Summary)
		}
		if counts := data.Count(d.Train.Y, classes); slices.Min(counts) < 1 {
			t.Errorf("%s: examples of each class %v", split, counts)
		}
		for y := range 28 { // the first column has the numbers of the rows
			if got := d.Train.X[28*y]; got != uint8(y) {
				t.Errorf("%s: row %d begins with %d: the image is not upright", split, y, got)
			}
		}
	}
	d := opened(t, "{source: emnist, split: balanced, dir: "+EMNISTFolder(t, "balanced", 50)+"}", "data.partition.clients=2")
	if got := strings.Join(d.Classes, ""); got != "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt" {
		t.Errorf("classes of balanced are %s", got)
	}
}

func TestEMNISTRefuses(t *testing.T) {
	for _, c := range []struct {
		name, file string
		a          *data.Array
		want       string
	}{
		{"a missing file", "emnist-letters-test-labels-idx1-ubyte", nil, "there is no emnist-letters-test-labels-idx1-ubyte.gz and no emnist-letters-test-labels-idx1-ubyte in "},
		{"labels from 0", "emnist-letters-train-labels-idx1-ubyte", &data.Array{Dims: []int{3}, Data: []uint8{1, 0, 2}}, "label 1 is 0, want 1 to 26"},
		{"labels beyond", "emnist-letters-test-labels-idx1-ubyte", &data.Array{Dims: []int{3}, Data: []uint8{1, 2, 27}}, "label 2 is 27, want 1 to 26"},
		{"other counts", "emnist-letters-test-labels-idx1-ubyte", &data.Array{Dims: []int{2}, Data: []uint8{1, 2}}, "3 images but 2 labels"},
		{"another size", "emnist-letters-train-images-idx3-ubyte.gz", &data.Array{Dims: []int{3, 2, 2}, Data: make([]uint8, 12)}, "has shape [3 2 2], want [n 28 28]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := EMNISTFolder(t, "letters", 3)
			if path := filepath.Join(dir, c.file); c.a == nil {
				os.Remove(path)
			} else {
				write(t, path, idx(t, *c.a))
			}
			fails(t, "{source: emnist, split: letters, dir: "+dir+"}", c.want)
		})
	}
}

// imageArrays returns six images of 2 x 1 pixels with channels and two for testing.
func imageArrays() []NPY {
	return []NPY{
		{"x_train", "|u1", "(6, 2, 1, 3)", []byte("abcdefghijklmnopqrstuvwxyz0123456789")},
		{"y_train", "<i8", "(6, 1)", Longs(0, 1, 2, 0, 1, 2)},
		{"x_test", "|u1", "(2, 2, 1, 3)", []byte("ABCDEFGHIJKL")},
		{"y_test", "|u1", "(2,)", []byte{1, 2}},
	}
}

func rowArrays() []NPY {
	return []NPY{
		{"a", "<f8", "(4, 2)", Doubles(0, 1, 2, 3, 4, 5, 6, 7)},
		{"b", "<f8", "(4,)", Doubles(0, 1, 1, 0)},
		{"c", "<f8", "(2, 2)", Doubles(1, 1, 2, 2)},
		{"d", "<f8", "(2,)", Doubles(0, 1)},
	}
}

const rowNames = ", x_train: a, y_train: b, x_test: c, y_test: d"

func TestNPZ(t *testing.T) {
	d := opened(t, "{source: npz, npz: {path: "+NPZFile(t, imageArrays()...)+"}, pixels: {mean: 0.5, deviation: 0.5}, partition: {clients: 3}}")
	if d.Train.Len() != 6 || d.Test.Len() != 2 || d.Labels() != 3 || !slices.Equal(d.Train.Shape, []int{2, 1, 3}) || d.Train.X[6] != 'g' || d.Train.Y[5] != 2 || d.Encoding() != nil {
		t.Errorf("images: got %s", d.Summary)
	}
	path := NPZFile(t, rowArrays()...)
	d = opened(t, "{source: npz, npz: {path: "+path+rowNames+"}, partition: {clients: 2}}")
	if d.Train.Len() != 4 || d.Labels() != 2 || !slices.Equal(d.Train.Shape, []int{2}) || d.Train.Values[5] != 5 || d.Train.Y[1] != 1 {
		t.Errorf("rows: got %s", d.Summary)
	}
	if e := d.Encoding(); e == nil || !slices.Equal(e.Features(), []string{"x1", "x2"}) || !slices.Equal(e.Target.Classes, []string{"0", "1"}) {
		t.Errorf("rows have the encoding %+v", e)
	}
	d = opened(t, "{source: npz, npz: {path: "+path+rowNames+", predict: number}, partition: {clients: 2}}")
	if d.Labels() != 0 || !slices.Equal(d.Train.Targets, []float32{0, 1, 1, 0}) {
		t.Errorf("numbers: got %s, %v", d.Summary, d.Train.Targets)
	}
	d = opened(t, "{source: npz, npz: {path: "+path+rowNames+", classes: 5}, partition: {clients: 2}}")
	if d.Labels() != 5 {
		t.Errorf("%d classes, want 5", d.Labels())
	}
}

func TestNPZRefuses(t *testing.T) {
	replaced := func(arrays []NPY, i int, a NPY) string { arrays[i] = a; return NPZFile(t, arrays...) }
	cut := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return write(t, path, b[:len(b)-10])
	}
	for _, c := range []struct {
		name, path, settings, want string
	}{
		{"no file", "/nonexistent/x.npz", "", "no such file or directory (paths are relative to /"},
		{"a folder", t.TempDir(), "", "is a folder, want a file"},
		{"no archive", write(t, filepath.Join(t.TempDir(), "x"), []byte("text")), "", "want a NumPy archive"},
		{"truncated", cut(NPZFile(t, imageArrays()...)), "", "want a NumPy archive"},
		{"other names", NPZFile(t, rowArrays()...), "", `x.npz: there is no array "x_train" among a, b, c, d; data.npz tells the names`},
		{"no arrays", NPZFile(t), "", "has no arrays"},
		{"short elements", replaced(imageArrays(), 0, NPY{"x_train", "|u1", "(6, 2, 1, 3)", []byte("abc")}), "", "x.npz: x_train: npy: the file ends in its elements: 3 of 36 bytes"},
		{"too large", replaced(imageArrays(), 0, NPY{"x_train", "|u1", "(60000, 1000, 1000)", nil}), "", "want at most 1073741824 elements"},
		{"images of floats", replaced(imageArrays(), 0, NPY{"x_train", "<f8", "(6, 1, 1)", Doubles(1, 2, 3, 4, 5, 6)}), "", "x_train has images of type <f8, want unsigned bytes, u1"},
		{"images of booleans", replaced(imageArrays(), 0, NPY{"x_train", "|b1", "(6, 1, 1)", make([]byte, 6)}), "", "x_train has images of type |b1"},
		{"one dimension", replaced(imageArrays(), 0, NPY{"x_train", "|u1", "(6,)", make([]byte, 6)}), "", "x_train has shape [6], want rows [n features] or images"},
		{"no examples", replaced(imageArrays(), 3, NPY{"y_test", "|u1", "(0,)", nil}), "", "x_test has 2 examples, want 0 as y_test"},
		{"other shapes", replaced(imageArrays(), 2, NPY{"x_test", "|u1", "(2, 1, 3)", make([]byte, 6)}), "", "x_test has examples of shape [1 3], want [2 1 3] as x_train"},
		{"labels of one-hot", replaced(imageArrays(), 1, NPY{"y_train", "|u1", "(6, 3)", make([]byte, 18)}), "", "y_train has shape [6 3], want [n] or [n 1]"},
		{"a fraction", replaced(rowArrays(), 1, NPY{"b", "<f8", "(4,)", Doubles(0, 1, .5, 0)}), rowNames, "b has label 0.5 in place 2, want a whole number from 0 to 255"},
		{"a negative label", replaced(imageArrays(), 1, NPY{"y_train", "<i8", "(6,)", Longs(0, 1, 0, 1, 0, -1)}), "", "y_train has label -1 in place 5"},
		{"a test label beyond", replaced(imageArrays(), 3, NPY{"y_test", "|u1", "(2,)", []byte{1, 3}}), "", "y_test has label 3 in place 1, want a whole number from 0 to 2"},
		{"one class", replaced(imageArrays(), 1, NPY{"y_train", "<i8", "(6,)", Longs(0, 0, 0, 0, 0, 0)}), "", "y_train has one class, want at least two"},
		{"not finite", replaced(rowArrays(), 0, NPY{"a", "<f8", "(4, 2)", Doubles(0, 1, 2, 3, math.NaN(), 5, 6, 7)}), rowNames, "a and b: data: row 2 has NaN in column 0"},
		{"numbers of images", NPZFile(t, imageArrays()...), ", predict: number", "x_train has images of shape [2 1 3], want rows [n features], because data.npz.predict"},
		{"a copy for testing", replaced(rowArrays(), 2, NPY{"c", "<f8", "(2, 2)", Doubles(0, 1, 2, 3)}), rowNames, "all 2 test examples are training examples"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fails(t, "{source: npz, npz: {path: "+c.path+c.settings+"}, partition: {clients: 2}}", c.want)
		})
	}
	fails(t, "{source: npz, npz: {path: "+NPZFile(t, rowArrays()...)+rowNames+"}, pixels: {mean: 0, deviation: 1}}", "data.pixels: data: a table has no pixels to scale")
}

func TestFolder(t *testing.T) {
	dir := PictureFolder(t, 10, "train", "test")
	d := opened(t, "{source: folder, dir: "+dir+", size: 6, partition: {clients: 4}}")
	if d.Train.Len() != 20 || d.Test.Len() != 20 || !slices.Equal(d.Classes, []string{"dark", "light"}) || !slices.Equal(d.Train.Shape, []int{6, 6, 3}) || d.Public {
		t.Errorf("got %s of %v", d.Summary, d.Train.Shape)
	}
	for i, class := range d.Train.Y {
		red, green := int(d.Train.X[108*i+54]), int(d.Train.X[108*i+55])
		if want := 20 + 180*int(class); max(red-want, want-red, green-want/2, want/2-green) > 4 {
			t.Errorf("image %d of class %d has red %d and green %d, want %d and half of it", i, class, red, green, want)
		}
	}
	d = opened(t, "{source: folder, dir: "+dir+", size: 5, channels: 1, partition: {clients: 4}}")
	if !slices.Equal(d.Train.Shape, []int{5, 5}) {
		t.Errorf("grey images have shape %v", d.Train.Shape)
	}
	one := PictureFolder(t, 10, "")
	write(t, filepath.Join(one, "README.txt"), []byte("text"))
	write(t, filepath.Join(one, "dark", "thumbs.db"), []byte("text"))
	write(t, filepath.Join(one, "dark", ".hidden.png"), []byte("text"))
	section := "{source: folder, dir: " + one + ", size: 6, holdout: 0.25, partition: {clients: 4}}"
	d = opened(t, section)
	if d.Train.Len() != 15 || d.Test.Len() != 5 || d.Labels() != 2 || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "2 entries are left out") {
		t.Errorf("one folder: got %s, %q", d.Summary, d.Notes)
	}
	if again := opened(t, section); again.Content() != d.Content() {
		t.Error("the same folder has other content")
	}
	if other := opened(t, section, "seed=2"); other.Content() == d.Content() {
		t.Error("another seed holds out the same pictures")
	}
}

func TestFolderRefuses(t *testing.T) {
	folder := func(parts []string, change func(dir string)) string {
		dir := PictureFolder(t, 2, parts...)
		change(dir)
		return dir
	}
	both, one := []string{"train", "test"}, []string{""}
	same := func(string) {}
	for _, c := range []struct{ name, dir, settings, want string }{
		{"no folder", "/nonexistent/x", "", "no such file or directory (paths are relative to"},
		{"no parts", folder(one, same), "", "there are no folders train and test in it, want them, or data.holdout"},
		{"parts and a holdout", folder(both, same), ", holdout: 0.2", "has the folders train and test, want no data.holdout beside them"},
		{"a class for testing only", folder(both, func(dir string) { os.Mkdir(dir+"/test/red", 0o755) }), "", "test/red is a class without a folder for training, want one of dark, light"},
		{"an empty class", folder(both, func(dir string) { os.Mkdir(dir+"/train/red", 0o755) }), "", "train/red: there are no pictures in it"},
		{"one class", folder(one, func(dir string) { os.RemoveAll(dir + "/dark") }), ", holdout: 0.2", "there are 1 folders of classes in it, want at least 2"},
		{"no picture", folder(both, func(dir string) { write(t, dir+"/train/dark/000.png", []byte("text")) }), "", "train/dark/000.png: image: unknown format, want a PNG or JPEG picture"},
		{"a truncated picture", folder(both, func(dir string) {
			b, _ := os.ReadFile(dir + "/test/light/001.png")
			write(t, dir+"/test/light/001.png", b[:len(b)-30])
		}), "", "test/light/001.png: a broken png picture: "},
		{"a huge picture", folder(both, func(dir string) {
			b, _ := os.ReadFile(dir + "/test/light/001.png")
			copy(b[16:], "\x00\x01\x00\x00\x00\x01\x00\x00") // width and height
			binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
			write(t, dir+"/test/light/001.png", b)
		}), "", "test/light/001.png: a picture of 65536 x 65536 pixels, want at most 67108864 pixels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fails(t, "{source: folder, size: 8, dir: "+c.dir+c.settings+"}", c.want)
		})
	}
}

func TestMoonsAndBlobs(t *testing.T) {
	d := opened(t, "{source: synthetic, generator: {kind: moons, examples: 1000, noise: 0}, holdout: 0.1}")
	if !d.Public || d.Train.Len() != 900 || d.Test.Len() != 100 {
		t.Errorf("got %s", d.Summary)
	}
	for i, class := range d.Train.Y { // each on its half circle
		x, y := float64(d.Train.Values[2*i]), float64(d.Train.Values[2*i+1])
		if class == 1 {
			x, y = 1-x, .5-y
		}
		if r := math.Hypot(x, y); math.Abs(r-1) > 1e-6 || y < -1e-6 {
			t.Fatalf("example %d of class %d is %v from the centre, at height %v", i, class, r, y)
		}
	}
	d = opened(t, "{source: synthetic, generator: {kind: blobs, examples: 3001, classes: 5, features: 3, spread: 0.5}}")
	all := data.Count(d.Train.Y, 5)
	for c, n := range data.Count(d.Test.Y, 5) {
		if all[c] += n; all[c] < 600 || all[c] > 601 {
			t.Errorf("class %d has %d examples, want 600 or 601", c, all[c])
		}
	}
	var sums, squares [5][3]float64
	counts := data.Count(d.Train.Y, 5)
	for i, class := range d.Train.Y {
		for j := range 3 {
			v := float64(d.Train.Values[3*i+j])
			sums[class][j] += v
			squares[class][j] += v * v
		}
	}
	for c := range sums {
		for j := range sums[c] {
			n := float64(counts[c])
			mean := sums[c][j] / n
			// Of about 480 examples the deviation has a standard error of 0.016.
			if s := math.Sqrt(squares[c][j]/n - mean*mean); math.Abs(s-.5) > .08 || math.Abs(mean) > 10.2 {
				t.Errorf("class %d, feature %d: mean %v, deviation %v, want 0.5", c, j, mean, s)
			}
		}
	}
}

// Least squares recover the weights that a linear regression was made with.
func TestLinear(t *testing.T) {
	d := opened(t, "{source: synthetic, generator: {kind: linear, features: 7, noise: 0.01, examples: 2000}}")
	n := d.Train.Len()
	x, y := mat.NewDense(n, 7, nil), mat.NewVecDense(n, nil)
	for i := range n {
		for j := range 7 {
			x.Set(i, j, float64(d.Train.Values[7*i+j]))
		}
		y.SetVec(i, float64(d.Train.Targets[i]))
	}
	var w mat.VecDense
	if err := w.SolveVec(x, y); err != nil {
		t.Fatal(err)
	}
	if len(d.Optimum) != 7 || len(d.Notes) != 1 || !strings.HasPrefix(d.Notes[0], "optimum: weights [") {
		t.Fatalf("the optimum is %v, notes %q", d.Optimum, d.Notes)
	}
	for j, want := range d.Optimum { // the standard error is 0.01 / sqrt(1600)
		if got := w.AtVec(j); math.Abs(got-float64(want)) > .002 {
			t.Errorf("weight %d is %v, want %v", j, got, want)
		}
	}
}

// The clients of Synthetic(1, 1) differ more than those of (0, 0), as their authors say.
func TestFedProx(t *testing.T) {
	section := func(alpha, beta float64, clients int) string {
		return fmt.Sprintf("{source: synthetic, generator: {kind: fedprox, alpha: %g, beta: %g}, holdout: 0.1, partition: {clients: %d}}", alpha, beta, clients)
	}
	const features = 60
	// spread is the mean variance over the clients of a feature's mean.
	spread := func(d *Dataset) (total float64) {
		for j := range features {
			sum, squares := 0., 0.
			for _, shard := range d.Shards {
				mean := 0.
				for _, i := range shard {
					mean += float64(d.Train.Values[features*int(i)+j])
				}
				mean /= float64(len(shard))
				sum += mean
				squares += mean * mean
			}
			n := float64(len(d.Shards))
			total += squares/n - sum/n*sum/n
		}
		return total / features
	}
	plain, differing := opened(t, section(0, 0, 60)), opened(t, section(1, 1, 60))
	// v_k has variance 1, or 1 + beta^2: over 60 clients and 60 features that share B_k,
	// the second is between 1.6 and 2.6 in 99 of 100 seeds.
	if a, b := spread(plain), spread(differing); math.Abs(a-1) > .15 || b < 1.5 || b > 2.8 {
		t.Errorf("the clients' means have variances %v and %v, want about 1 and 2", a, b)
	}
	for _, d := range []*Dataset{plain, differing} {
		seen := 0
		for k, shard := range d.Shards {
			if seen += len(shard); len(shard) < 45 {
				t.Errorf("client %d has %d examples, want at least 90%% of 50", k, len(shard))
			}
		}
		if len(d.Shards) != 60 || seen != d.Train.Len() || d.Labels() != 10 || d.Train.Features() != features {
			t.Errorf("got %s in %d shards with %d examples", d.Summary, len(d.Shards), seen)
		}
	}
	few := opened(t, section(1, 1, 3))
	n := few.Train.Len() * features
	if !slices.Equal(few.Train.Values, differing.Train.Values[:n]) {
		t.Error("the first clients depend on the number of clients")
	}
	fails(t, section(0, 0, 10000), "want at most 1118481 examples: fewer clients, or another seed")
	var b bytes.Buffer
	if err := few.Describe(&b); err != nil || !strings.Contains(b.String(), "Synthetic(1, 1)") || !strings.Contains(b.String(), "3 clients:") {
		t.Errorf("described as %s, %v", &b, err)
	}
	central, err := Open(parse(t, section(1, 1, 3), "strategy=", "strategy={kind: central, batches: 1, batch: 10, lr: 0.1}"))
	if err != nil || len(central.Shards) != 1 || len(central.Shards[0]) != few.Train.Len() {
		t.Errorf("central training: %v", err)
	}
}

// Synthetic data depends on the generator's seed, and on the task's without it.
func TestGeneratorSeed(t *testing.T) {
	for _, generator := range []string{"kind: moons", "kind: blobs", "kind: linear", "kind: fedprox"} {
		content := func(seeds ...string) [32]byte {
			return opened(t, "{source: synthetic, generator: {"+generator+"}, partition: {clients: 2}}", seeds...).Content()
		}
		first := content()
		if again := content(); again != first || content("seed=2") == first || content("data.generator.seed=1") != first {
			t.Errorf("%s: the task's seed does not tell the examples", generator)
		}
		d := opened(t, "{source: synthetic, generator: {"+generator+", seed: 5}, partition: {clients: 2}}")
		other := opened(t, "{source: synthetic, generator: {"+generator+", seed: 5}, partition: {clients: 2}}", "seed=2")
		lowest := func(d *Dataset) float32 {
			return min(slices.Min(d.Train.Values), slices.Min(d.Test.Values))
		}
		if lowest(d) != lowest(other) { // divided otherwise, the same examples
			t.Errorf("%s: examples of the generator's seed depend on the task's", generator)
		}
	}
}

func gunzip(t *testing.T, r io.Reader) io.Reader {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// Shards of every source are packed, and read back as participants do.
func TestResearchShards(t *testing.T) {
	for name, section := range map[string]string{
		"cifar":     "{source: cifar, dir: " + CIFARFolder(t, 10, 10) + ", partition: {kind: shards, clients: 5}}",
		"emnist":    "{source: emnist, split: digits, dir: " + EMNISTFolder(t, "digits", 50) + ", partition: {kind: dirichlet, alpha: 1, clients: 5}}",
		"npz":       "{source: npz, npz: {path: " + NPZFile(t, rowArrays()...) + rowNames + "}, partition: {clients: 2}}",
		"folder":    "{source: folder, dir: " + PictureFolder(t, 10, "train", "test") + ", size: 6, partition: {kind: classes, clients: 4}}",
		"synthetic": "{source: synthetic, generator: {kind: fedprox, alpha: 1, beta: 1}, partition: {clients: 5}}",
		"linear":    "{source: synthetic, generator: {kind: linear}, partition: {clients: 5}}",
	} {
		t.Run(name, func(t *testing.T) {
			d := opened(t, section)
			whole := d.Content()
			sizes, shape := d.Sizes(), d.Shape()
			if err := d.Pack(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			for i, n := range sizes {
				set, err := data.ReadShard(gunzip(t, d.Packed.Open(i)), 1<<20*8)
				if err != nil || set.Len() != n || !slices.Equal(set.Shape, shape) {
					t.Fatalf("shard %d: %v", i, err)
				}
			}
			if again := opened(t, section); again.Content() != whole {
				t.Error("the same data has other content")
			}
		})
	}
}
