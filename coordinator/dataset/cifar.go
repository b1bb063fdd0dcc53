package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"fedtab/learn/data"
)

// cifar is one of the two sets of Krizhevsky, "Learning multiple layers of features from
// tiny images" (2009), in the binary version: records of the labels and the image.
type cifar struct {
	name        string
	train, test []string // files
	labels      int      // bytes of a record before the image; the last is the class
	classes     int
	counts      [2]int // training and test images of the published files
}

var (
	cifar10 = cifar{
		name:  "CIFAR-10",
		train: []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}, test: []string{"test_batch.bin"},
		labels: 1, classes: 10, counts: [2]int{50000, 10000},
	}
	cifar100 = cifar{
		name: "CIFAR-100", train: []string{"train.bin"}, test: []string{"test.bin"},
		labels: 2, classes: 100, counts: [2]int{50000, 10000},
	}
)

// cifarClasses are the names of CIFAR-10's classes, in the order of their labels.
var cifarClasses = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// Pixels of an image of CIFAR.
const (
	cifarSide  = 32
	cifarPlane = cifarSide * cifarSide // bytes of a colour
)

// loadCIFAR reads the files of CIFAR-10 or CIFAR-100 in a folder.
func loadCIFAR(dir string, classes int) (*Dataset, error) {
	c := &cifar10
	if classes == cifar100.classes {
		c = &cifar100
	}
	train, err := c.read(dir, c.train)
	if err != nil {
		return nil, err
	}
	test, err := c.read(dir, c.test)
	if err != nil {
		return nil, err
	}
	notes, err := apart(train, test, filepath.Join(dir, c.train[0]), filepath.Join(dir, c.test[0]))
	if err != nil {
		return nil, err
	}
	if got := [2]int{train.Len(), test.Len()}; got != c.counts {
		notes = append(notes, fmt.Sprintf("%d images for training and %d for testing, %s has %d and %d", got[0], got[1], c.name, c.counts[0], c.counts[1]))
	}
	d := &Dataset{
		Summary: fmt.Sprintf("%s: %d coloured images of 32 x 32 pixels in %d classes, %d more for testing", c.name, train.Len(), c.classes, test.Len()),
		Notes:   notes, Train: train, Test: test, Classes: cifarClasses,
	}
	if c.classes == 100 {
		if d.Classes, err = fineNames(dir); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// read returns the images of files: channels last, as models take them.
func (c *cifar) read(dir string, files []string) (*data.Set, error) {
	var pixels, labels []uint8
	for _, name := range files {
		path, ok := inFolder(dir, name)
		if !ok {
			return nil, fmt.Errorf("there is no %s and no %[1]s.gz in %s, want the files of the binary version of %s: %s", name, dir, c.name,
				strings.Join(append(append([]string(nil), c.train...), c.test...), ", "))
		}
		err := c.records(path, func(record []byte) error {
			label := record[c.labels-1]
			if int(label) >= c.classes {
				return fmt.Errorf("has label %d, want less than %d", label, c.classes)
			}
			if len(pixels) > imageLimit-3*cifarPlane {
				return fmt.Errorf("is too much, want at most %d bytes of images", imageLimit)
			}
			labels = append(labels, label)
			image := record[c.labels:]
			for i := range cifarPlane {
				pixels = append(pixels, image[i], image[i+cifarPlane], image[i+2*cifarPlane])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	n := len(labels)
	return data.NewSet(data.Array{Dims: []int{n, cifarSide, cifarSide, 3}, Data: pixels}, data.Array{Dims: []int{n}, Data: labels}, c.classes)
}

// records calls use with each record of a file. Errors have the file and the record.
func (c *cifar) records(path string, use func(record []byte) error) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	record := make([]byte, c.labels+3*cifarPlane)
	for i := 0; ; i++ {
		switch n, err := io.ReadFull(in, record); {
		case errors.Is(err, io.EOF) && i == 0:
			return fmt.Errorf("%s is empty, want records of %d bytes", path, len(record))
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%s: record %d ends after %d bytes, want %d: the file is cut off, or not one of %s", path, i, n, len(record), c.name)
		case err != nil:
			return fmt.Errorf("%s: record %d: %w", path, i, err)
		}
		if err := use(record); err != nil {
			return fmt.Errorf("%s: record %d %w", path, i, err)
		}
	}
}

// fineNames returns the names of CIFAR-100's classes from the file that comes with it; nil
// if that is not in the folder.
func fineNames(dir string) ([]string, error) {
	path, ok := inFolder(dir, "fine_label_names.txt")
	if !ok {
		return nil, nil
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const maxBytes = 1 << 16
	text, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names := strings.Fields(string(text))
	if len(names) != cifar100.classes {
		return nil, fmt.Errorf("%s has %d names, want %d, one for each class", path, len(names), cifar100.classes)
	}
	for _, name := range names {
		if !data.ValidText(name) {
			return nil, fmt.Errorf("%s has the name %q, want a short text", path, name)
		}
	}
	return names, nil
}
