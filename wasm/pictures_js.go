//go:build readers

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"syscall/js"

	"fedtab/learn/data"
	"fedtab/tab"
)

// readsAhead is how many pictures the browser is asked for before they are needed. It
// decodes fewer at a time; those that are done wait, at the size that is needed of them.
const readsAhead = 16

// byFolder, as the label of pictures, stands for the class of their folders or of a
// table.
const byFolder = -1

// found is what a person has brought, sorted.
type found struct {
	pictures []js.Value // with path, and file or an entry of a zip file
	tables   []js.Value // with classes of pictures
	idx      []js.Value
	problems []tab.Problem
}

// addFiles reads pictures and adds them to those at hand, or reads IDX files in their
// place.
func (o *own) addFiles(files js.Value, label int) {
	o.closeFile()
	o.collect()
	o.report.Notes, o.report.Problems, o.report.AllProblems = nil, nil, 0
	if o.report.Name == "" {
		o.report.Name = "your pictures"
	}
	into := o.pictures
	o.begin(tab.DataReading, func(j *job) {
		var f found
		for i := range files.Length() {
			f.add(files.Index(i))
		}
		if len(f.idx) > 0 {
			j.do(func() { o.openIDX(f.idx) })
			return
		}
		labels, words := o.labels(&f)
		if words != "" {
			j.do(func() { o.fail(words) })
			return
		}
		o.decode(j, into, &f, labels, label)
	})
}

// add sorts a file.
func (f *found) add(source js.Value) {
	name := source.Get("path").String()
	switch ext := strings.ToLower(path.Ext(name)); {
	case ext == ".zip" && source.Get("file").Truthy():
		entries, err := await(js.Global().Get("fedtabPictures").Call("entries", source.Get("file")))
		if err != nil {
			f.problems = append(f.problems, tab.Problem{Where: name, What: reason(err)})
			return
		}
		for i := range entries.Length() {
			f.add(entries.Index(i))
		}
	case ext == ".csv", ext == ".tsv", ext == ".txt":
		f.tables = append(f.tables, source)
	case strings.Contains(strings.ToLower(path.Base(name)), "idx"), strings.HasSuffix(name, "-ubyte"), ext == ".gz":
		f.idx = append(f.idx, source)
	case strings.HasPrefix(path.Base(name), "."), strings.EqualFold(path.Base(name), "Thumbs.db"):
	default:
		f.pictures = append(f.pictures, source)
	}
}

// reason is what an error of JavaScript says.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "Error: ") }

// labels reads the classes of pictures in the first of the tables; nil if there is none.
// What is no class there is a problem.
func (o *own) labels(f *found) (*data.Labels, string) {
	if len(f.tables) == 0 {
		return nil, ""
	}
	name := f.tables[0].Get("path").String()
	content, err := blob(f.tables[0])
	if err != nil {
		return nil, name + " cannot be read: " + reason(err) + "."
	}
	labels, err := data.ReadLabels(newFileReader(content), name, o.schema, nil)
	if err != nil {
		return nil, refusal(name, err)
	}
	for _, offer := range labels.Offers {
		if offer.Shifted != "" { // most would be right by mistake
			return nil, fmt.Sprintf("%s: %s. Write the classes of the task in it.", name, offer.Shifted)
		}
		for _, text := range offer.Texts {
			f.problems = append(f.problems, tab.Problem{Where: name, What: fmt.Sprintf("%s is no class: write %s", short(text.Text), alternatives(offer.Values))})
		}
	}
	return labels, ""
}

// collect makes the pictures at hand a collection that can be added to.
func (o *own) collect() {
	if o.pictures == nil && o.data != nil {
		o.pictures = o.data.Pictures()
	}
	if o.pictures == nil {
		o.pictures = data.NewPictures(o.schema)
	}
}

// classOf returns the class of a picture, -1 and what would be right if it has none.
func (o *own) classOf(name string, labels *data.Labels, label int) (class int, want string) {
	if label != byFolder {
		return label, ""
	}
	if labels != nil {
		if class = labels.Class(name); class >= 0 {
			return class, ""
		}
	}
	class, folder := o.schema.Images.ClassOfPath(name, nil)
	if class >= 0 {
		return class, ""
	}
	want = "it has no class: choose one above, or put it into a folder named " + alternatives(o.schema.Images.Classes)
	if folder != "" {
		want = "its folder " + short(folder) + " is no class: choose one above, or name the folder " + alternatives(o.schema.Images.Classes)
	}
	return -1, want
}

// alternatives lists names: a, b or c.
func alternatives(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and so on"
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// decode adds pictures to a collection; the browser decodes some of them ahead. Other data
// may take the collection's place meanwhile.
func (o *own) decode(j *job, into *data.Pictures, f *found, labels *data.Labels, label int) {
	problems := f.problems
	added := 0
	var wanted []js.Value
	var classes []int
	for _, source := range f.pictures {
		name := source.Get("path").String()
		class, want := o.classOf(name, labels, label)
		if class < 0 {
			problems = append(problems, tab.Problem{Where: name, What: want})
			continue
		}
		wanted, classes = append(wanted, source), append(classes, class)
	}
	ahead := make([]js.Value, 0, len(wanted))
	for i, source := range wanted {
		for len(ahead) < min(i+readsAhead, len(wanted)) {
			ahead = append(ahead, o.decoding(wanted[len(ahead)]))
		}
		picture, err := await(ahead[i])
		ahead[i] = js.Undefined()
		name := source.Get("path").String()
		if err == nil {
			err = addPixels(into, name, classes[i], picture, false)
		}
		if err != nil {
			problems = append(problems, tab.Problem{Where: name, What: err.Error()})
		} else {
			added++
		}
		if j.progress(int64(i+1), int64(len(wanted))) != nil {
			break // those that are read stay
		}
	}
	done := func() { o.took(added, problems, len(wanted)) }
	if j.over() {
		o.queue.put(jobDone{do: func() {
			if o.job == nil && o.pictures == into {
				done()
			}
		}})
		return
	}
	j.do(done)
}

// decoding has the browser decode a picture.
func (o *own) decoding(source js.Value) js.Value {
	im := o.schema.Images
	return js.Global().Get("fedtabPictures").Call("read", source, max(im.Width, im.Height), im.Drawn)
}

// addPixels adds a decoded picture. The error says why it is left out.
func addPixels(to *data.Pictures, name string, class int, picture js.Value, drawn bool) error {
	if why := picture.Get("reason"); why.Type() == js.TypeString {
		return errors.New(why.String())
	}
	a := picture.Get("bytes")
	rgba := make([]byte, a.Length())
	js.CopyBytesToGo(rgba, a)
	add := to.Add
	if drawn {
		add = to.AddDrawn
	}
	err := add(name, class, rgba, picture.Get("width").Int(), picture.Get("height").Int())
	if errors.Is(err, data.ErrEmpty) {
		return err
	}
	if refused := (*data.Refusal)(nil); errors.As(err, &refused) {
		return errors.New(strings.TrimPrefix(strings.TrimPrefix(refused.Text, name), " is left out: "))
	}
	return err
}

// took ends the reading of pictures.
func (o *own) took(added int, problems []tab.Problem, of int) {
	r := &o.report
	r.AllProblems = len(problems)
	r.Problems = problems[:min(len(problems), shownProblems)]
	if added == 0 && of+len(problems) > 0 {
		r.Error = "No picture could be added: the list below says why."
	}
	o.counted()
}

// counted makes data of the pictures at hand, once there are enough.
func (o *own) counted() {
	n := o.pictures.Len()
	seed := rand.Uint64()
	if o.data != nil {
		seed = o.data.Seed // the hold-out stays, and grows
	}
	d, err := o.pictures.Own(seed)
	r := &o.report
	if err != nil {
		o.data, o.name, o.bytes = nil, "", 0
		r.Examples, r.Holdout, r.Classes = n, 0, nil
		o.sheet()
		o.settle()
		return
	}
	r.Notes = d.Notes()
	before := r.ID
	o.has(d, fmt.Sprintf("%d pictures", n), int64(n*o.schema.Images.Size()), "")
	o.keep(before)
}

// addPicture adds a picture of the camera, or what is drawn.
func (o *own) addPicture(bitmap js.Value, name string, label int, drawn bool) {
	o.closeFile()
	o.collect()
	r := &o.report
	r.Error, r.Problems, r.AllProblems = "", nil, 0
	if label < 0 || label >= len(o.schema.Images.Classes) {
		r.Error = "Choose the class of new pictures first, then take the picture."
		o.settle()
		return
	}
	source, into := js.ValueOf(map[string]any{"bitmap": bitmap}), o.pictures
	o.begin(tab.DataReading, func(j *job) {
		picture, err := await(o.decoding(source))
		o.queue.put(jobDone{do: func() { // one after the other, whatever comes meanwhile
			if o.pictures != into {
				return // other data has taken their place
			}
			if err == nil {
				err = addPixels(into, name, label, picture, drawn)
			}
			switch {
			case errors.Is(err, data.ErrEmpty):
				o.fail("Draw first, then press the class of what you have drawn.")
				return
			case err != nil:
				o.fail("The picture was not added: " + err.Error())
				return
			}
			o.counted()
		}})
	})
}

// shownPictures is how many pictures the page shows.
const shownPictures = 50

// sheet shows the newest pictures on the page, as the model sees them.
func (o *own) sheet() {
	im := o.schema.Images
	if im == nil {
		return
	}
	size, pixels := im.Size(), []uint8(nil)
	switch {
	case o.pictures != nil:
		for i := max(0, o.pictures.Len()-shownPictures); i < o.pictures.Len(); i++ {
			pixels = append(pixels, o.pictures.Pixels(i)...)
		}
	case o.data != nil:
		ex, err := o.data.Train(data.Constants{})
		if err != nil {
			return
		}
		index := make([]int32, min(shownPictures, ex.Len()))
		for i := range index {
			index[i] = int32(i)
		}
		x, y := make([]float32, len(index)*size), make([]float32, len(index))
		ex.Fill(x, y, index)
		for _, v := range x {
			pixels = append(pixels, uint8(v*255+.5))
		}
	}
	rgba := inRGBA(pixels, im.Channels)
	o.page.post(map[string]any{"type": "sheet", "bytes": uint8Array(rgba), "width": im.Width, "height": im.Height})
}
