package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // formats of pictures
	_ "image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

const (
	maxPicture = 1 << 26 // pixels of a picture: 256 MB while it is read
	maxClasses = 256     // labels are bytes
)

// pictureFile is a picture in a folder and its class.
type pictureFile struct {
	path  string
	class uint8
}

// loadFolder reads pictures in folders that are called like their classes: train/CLASS and
// test/CLASS, or with data.holdout CLASS.
func loadFolder(t *task.Task) (*Dataset, error) {
	dir := t.Data.Dir
	isFolder := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.IsDir()
	}
	var notes []string
	var parts [2][]pictureFile // for training and for testing
	var classes []string
	divided := isFolder("train") && isFolder("test")
	switch share := t.Data.Holdout; {
	case share > 0 && divided:
		return nil, fmt.Errorf("%s has the folders train and test, want no data.holdout beside them", dir)
	case share > 0:
		all, names, skipped, err := pictures(dir, nil)
		if err != nil {
			return nil, err
		}
		train, test, err := data.Holdout(len(all), share, rng.Derive(t.DataSeed(), "holdout"))
		if err != nil {
			return nil, fmt.Errorf("%s: data.holdout: %w", dir, err)
		}
		for part, index := range [][]int32{train, test} {
			for _, i := range index {
				parts[part] = append(parts[part], all[i])
			}
		}
		classes, notes = names, skipped
	case !divided:
		if _, err := os.Stat(dir); err != nil {
			return nil, folderError(err)
		}
		return nil, fmt.Errorf("%s: there are no folders train and test in it, want them, or data.holdout, the share of pictures in the test set", dir)
	default:
		for part, name := range []string{"train", "test"} {
			files, names, skipped, err := pictures(filepath.Join(dir, name), classes)
			if err != nil {
				return nil, err
			}
			parts[part], classes, notes = files, names, append(notes, skipped...)
		}
	}
	shape := data.ImageSchema{Width: t.Data.Size, Height: t.Data.Size, Channels: t.Data.Channels}
	var sets [2]*data.Set
	for i, files := range parts {
		var err error
		if sets[i], err = readPictures(files, shape, len(classes)); err != nil {
			return nil, err
		}
	}
	names := [2]string{filepath.Join(dir, "train"), filepath.Join(dir, "test")}
	if !divided {
		names = [2]string{dir, dir}
	}
	more, err := apart(sets[0], sets[1], names[0], names[1])
	if err != nil {
		return nil, err
	}
	colour := "grey"
	if shape.Channels == 3 {
		colour = "coloured"
	}
	return &Dataset{
		Summary: fmt.Sprintf("%s: %d %s images of %d x %[4]d pixels in %d classes, %d more for testing", filepath.Base(dir), sets[0].Len(), colour, shape.Width, len(classes), sets[1].Len()),
		Notes:   append(notes, more...), Train: sets[0], Test: sets[1], Classes: classes,
	}, nil
}

// folderError says where paths are relative to if a folder is missing.
func folderError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		where, _ := os.Getwd()
		return fmt.Errorf("%w (paths are relative to %s)", err, where)
	}
	return err
}

// pictures lists the pictures in the folders of dir, sorted. The folders are the classes;
// known, if not nil, are those that they may be.
func pictures(dir string, known []string) (files []pictureFile, classes, notes []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, nil, folderError(err)
	}
	classes = known
	skipped := 0
	for _, e := range entries { // sorted by name
		folder := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(folder); err != nil || !info.IsDir() { // links are followed
			skipped++
			continue
		}
		if known == nil {
			classes = append(classes, e.Name())
		}
		class := slices.Index(classes, e.Name())
		switch {
		case class < 0:
			return nil, nil, nil, fmt.Errorf("%s is a class without a folder for training, want one of %s", folder, few(known))
		case class >= maxClasses:
			return nil, nil, nil, fmt.Errorf("%s: more than %d classes, want at most as many", dir, maxClasses)
		case !data.ValidText(e.Name()):
			return nil, nil, nil, fmt.Errorf("%s: the folder %q is no name of a class, want a short text", dir, e.Name())
		}
		inside, err := os.ReadDir(folder)
		if err != nil {
			return nil, nil, nil, err
		}
		before := len(files)
		for _, p := range inside {
			switch ext := strings.ToLower(filepath.Ext(p.Name())); {
			case strings.HasPrefix(p.Name(), "."):
			case (p.Type().IsRegular() || p.Type()&fs.ModeSymlink != 0) && (ext == ".png" || ext == ".jpg" || ext == ".jpeg"):
				files = append(files, pictureFile{filepath.Join(folder, p.Name()), uint8(class)})
			default:
				skipped++
			}
		}
		if len(files) == before && known == nil {
			return nil, nil, nil, fmt.Errorf("%s: there are no pictures in it, want .png, .jpg or .jpeg", folder)
		}
	}
	switch {
	case len(classes) < 2:
		return nil, nil, nil, fmt.Errorf("%s: there are %d folders of classes in it, want at least 2", dir, len(classes))
	case len(files) == 0:
		return nil, nil, nil, fmt.Errorf("%s: there are no pictures in it, want .png, .jpg or .jpeg in a folder for each class", dir)
	case skipped > 0:
		notes = append(notes, fmt.Sprintf("%s: %d entries are left out, because they are no .png, .jpg or .jpeg in a folder of a class", dir, skipped))
	}
	return files, classes, notes, nil
}

// readPictures makes a set of pictures: the middle of each, cut to a square and averaged to
// the shape of the images. It uses all cores; the error is that of the first file.
func readPictures(files []pictureFile, shape data.ImageSchema, classes int) (*data.Set, error) {
	n, size := len(files), shape.Size()
	if n > imageLimit/size {
		return nil, fmt.Errorf("%s: %d pictures of %d bytes each, want at most %d bytes", filepath.Dir(filepath.Dir(files[0].path)), n, size, imageLimit)
	}
	pixels, labels, errs := make([]uint8, n*size), make([]uint8, n), make([]error, n)
	var wait sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			fitter := data.Fitter{ImageSchema: shape}
			for i := range next {
				labels[i] = files[i].class
				if err := readPicture(&fitter, pixels[i*size:][:size], files[i].path); err != nil {
					errs[i] = fmt.Errorf("%s: %w", files[i].path, err)
				}
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	dims := []int{n, shape.Height, shape.Width}
	if shape.Channels > 1 {
		dims = append(dims, shape.Channels)
	}
	return data.NewSet(data.Array{Dims: dims, Data: pixels}, data.Array{Dims: []int{n}, Data: labels}, classes)
}

// readPicture makes an image of the picture in a file.
func readPicture(fitter *data.Fitter, to []uint8, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	cfg, format, err := image.DecodeConfig(bufio.NewReader(f))
	switch {
	case err != nil:
		return fmt.Errorf("%w, want a PNG or JPEG picture", err)
	case cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPicture/cfg.Height:
		return fmt.Errorf("a picture of %d x %d pixels, want at most %d pixels", cfg.Width, cfg.Height, maxPicture)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, _, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("a broken %s picture: %w", format, err)
	}
	rgba, ok := m.(*image.NRGBA)
	if !ok || rgba.Stride != 4*rgba.Rect.Dx() {
		rgba = image.NewNRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
		draw.Draw(rgba, rgba.Rect, m, m.Bounds().Min, draw.Src)
	}
	return fitter.Fit(to, rgba.Pix, rgba.Rect.Dx(), rgba.Rect.Dy())
}
