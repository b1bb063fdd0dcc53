package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"fedtab/learn/data"
)

// What is below makes small files in the formats of each source, also for the tests of
// package dataset_test.

// CIFARFolder writes the files of CIFAR-10 or CIFAR-100 with n images in each. Channel c
// of pixel p of an image of class k is 16c + 8(k%10) + p%7, and the first byte tells images apart.
func CIFARFolder(t testing.TB, classes, n int) string {
	dir := t.TempDir()
	c := &cifar10
	if classes == 100 {
		c = &cifar100
	}
	at := 0
	for i, name := range append(append([]string(nil), c.train...), c.test...) {
		var b []byte
		for range n {
			class := at % classes
			if classes == 100 {
				b = append(b, byte(class/5))
			}
			b = append(b, byte(class))
			begin := len(b)
			for channel := range 3 {
				for p := range cifarPlane {
					b = append(b, byte(16*channel+8*(class%10)+p%7))
				}
			}
			b[begin] = byte(at)
			at++
		}
		path := filepath.Join(dir, name)
		if i == 0 { // one of them is compressed
			path, b = path+".gz", packed(t, b)
		}
		write(t, path, b)
	}
	return dir
}

// EMNISTFolder writes the files of a data set of EMNIST with n images for training and as
// many for testing. Row y of column x of image i is, in the file, at [x][y], and is y if
// x is 0, and the class everywhere else.
func EMNISTFolder(t testing.TB, split string, n int) string {
	dir := t.TempDir()
	classes, first := len(emnistClasses[split]), 0
	if split == "letters" {
		first = 1
	}
	for part, name := range []string{"train", "test"} {
		images, labels := data.Array{Dims: []int{n, 28, 28}}, data.Array{Dims: []int{n}}
		for i := range n {
			class := i % classes
			for x := range 28 {
				for y := range 28 {
					v := 4 * class
					if x == 0 {
						v = y
					}
					if x == 27 && y == 27 {
						v = 100*part + i%100
					}
					images.Data = append(images.Data, uint8(v))
				}
			}
			labels.Data = append(labels.Data, uint8(class+first))
		}
		for kind, a := range map[string]data.Array{"images-idx3-ubyte.gz": images, "labels-idx1-ubyte": labels} {
			var b bytes.Buffer
			if err := data.WriteIDX(&b, a); err != nil {
				t.Fatal(err)
			}
			content := b.Bytes()
			if filepath.Ext(kind) == ".gz" {
				content = packed(t, content)
			}
			write(t, filepath.Join(dir, fmt.Sprintf("emnist-%s-%s-%s", split, name, kind)), content)
		}
	}
	return dir
}

// An NPY is an array to be written.
type NPY struct {
	Name, Type, Shape string
	Elements          []byte
}

// NPZFile writes a NumPy archive.
func NPZFile(t testing.TB, arrays ...NPY) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := z.Create(a.Name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", a.Type, a.Shape)
		file := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
		w.Write(append(append(file, header...), a.Elements...))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "x.npz"), b.Bytes())
}

// Doubles returns the elements of an array of type <f8.
func Doubles(v ...float64) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

// Longs returns the elements of an array of type <i8.
func Longs(v ...int64) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return b
}

// PictureFolder writes pictures of 40 x 30 pixels, n of each class, in the folders of
// parts. Pictures of class "dark" are dark, those of "light" are light, and each has
// a blue of its own.
func PictureFolder(t testing.TB, n int, parts ...string) string {
	dir := t.TempDir()
	for p, part := range parts {
		for c, class := range []string{"dark", "light"} {
			folder := filepath.Join(dir, part, class)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				m := image.NewNRGBA(image.Rect(0, 0, 40, 30))
				for y := range 30 {
					for x := range 40 {
						v := uint8(20 + 180*c)
						m.Set(x, y, color.NRGBA{v, v / 2, uint8(9 * (len(parts)*i + p)), 255})
					}
				}
				var b bytes.Buffer
				name, err := "%03d.png", error(nil)
				if i%5 == 4 {
					name, err = "%03d.JPG", jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
				} else {
					err = png.Encode(&b, m)
				}
				if err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(folder, fmt.Sprintf(name, i)), b.Bytes())
			}
		}
	}
	return dir
}
