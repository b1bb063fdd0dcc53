package dataset

import (
	"fmt"
	"slices"
	"strings"

	"fedtab/learn/data"
)

// emnistClasses are the names of the classes of EMNIST's data sets, in the order of their
// labels (Cohen, Afshar, Tapson and van Schaik 2017). bymerge and balanced have no small
// letters that look like the capital.
var emnistClasses = func() map[string][]string {
	const digits, capitals = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	merged := digits + capitals + "abdefghnqrt"
	names := map[string][]string{}
	for split, classes := range map[string]string{
		"balanced": merged, "bymerge": merged, "byclass": digits + capitals + strings.ToLower(capitals),
		"letters": capitals, "digits": digits, "mnist": digits,
	} {
		names[split] = strings.Split(classes, "")
	}
	return names
}()

// loadEMNIST reads the four files of one of EMNIST's data sets in a folder.
func loadEMNIST(dir, split string) (*Dataset, error) {
	var sets [2]*data.Set
	var names [2]string
	for i, part := range []string{"train", "test"} {
		var paths [2]string
		for j, kind := range []string{"images-idx3-ubyte", "labels-idx1-ubyte"} {
			name := fmt.Sprintf("emnist-%s-%s-%s", split, part, kind)
			var ok bool
			if paths[j], ok = inFolder(dir, name); !ok {
				return nil, fmt.Errorf("there is no %s.gz and no %[1]s in %s, want the four files of EMNIST's %s", name, dir, split)
			}
		}
		var err error
		if sets[i], err = emnistPair(paths[0], paths[1], split); err != nil {
			return nil, err
		}
		names[i] = paths[0]
	}
	train, test := sets[0], sets[1]
	notes, err := apart(train, test, names[0], names[1])
	if err != nil {
		return nil, err
	}
	return &Dataset{
		Summary: fmt.Sprintf("EMNIST %s: %d grey images of 28 x 28 pixels in %d classes, %d more for testing", split, train.Len(), train.Classes(), test.Len()),
		Notes:   notes, Train: train, Test: test, Classes: emnistClasses[split],
	}, nil
}

// emnistPair reads images and labels. The images become upright, as those of MNIST: the
// files have rows and columns exchanged.
func emnistPair(images, labels, split string) (*data.Set, error) {
	x, y, err := idxFiles(images, labels)
	if err != nil {
		return nil, err
	}
	if len(x.Dims) != 3 || !slices.Equal(x.Dims[1:], []int{28, 28}) {
		return nil, fmt.Errorf("%s has shape %v, want [n 28 28]", images, x.Dims)
	}
	upright := make([]uint8, 28*28)
	for at := 0; at < len(x.Data); at += len(upright) {
		image := x.Data[at:][:len(upright)]
		for i := range upright {
			upright[i] = image[i%28*28+i/28]
		}
		copy(image, upright)
	}
	if split == "letters" { // whose labels count from 1
		for i, label := range y.Data {
			if label < 1 || label > 26 {
				return nil, fmt.Errorf("%s: label %d is %d, want 1 to 26", labels, i, label)
			}
			y.Data[i]--
		}
	}
	return idxSet(images, labels, x, y, len(emnistClasses[split]))
}
