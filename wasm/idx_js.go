//go:build readers

package main

import (
	"errors"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall/js"

	"fedtab/learn/data"
	"fedtab/tab"
)

// openIDX are the files of images and labels that the person has brought.
type openIDX struct {
	images, labels js.Value // sources; labels is undefined if they follow the images
	name           string
	bytes          int64
	answers        tab.Answers
	read           *data.OwnImages
}

// openIDX tells the file of images from that of labels, and reads them.
func (o *own) openIDX(files []js.Value) {
	isLabels := func(v js.Value) bool {
		return strings.Contains(strings.ToLower(path.Base(v.Get("path").String())), "label")
	}
	at := slices.IndexFunc(files, isLabels)
	rest := slices.DeleteFunc(slices.Clone(files), isLabels)
	if len(rest) != 1 || len(files) > 2 {
		o.fail("Choose two IDX files together: one with images, and one with labels, whose name says so.")
		return
	}
	o.idx = &openIDX{images: rest[0], name: path.Base(rest[0].Get("path").String())}
	if at >= 0 {
		o.idx.labels = files[at]
	}
	o.report.Name = o.idx.name
	o.readIDX()
}

// blob returns the content of a source, unpacked.
func blob(source js.Value) (js.Value, error) {
	host := js.Global().Get("fedtabPictures")
	b, err := await(js.Global().Get("Promise").Call("resolve", host.Call("unpack", source)))
	if err != nil || !strings.HasSuffix(strings.ToLower(source.Get("path").String()), ".gz") {
		return b, err
	}
	return await(host.Call("gunzip", b))
}

// readIDX reads the files.
func (o *own) readIDX() {
	f := o.idx
	o.begin(tab.DataReading, func(j *job) {
		how := data.OwnIDX{Layout: data.Layout(f.answers.Layout)}
		for i, text := range f.answers.Texts {
			if how.Aliases == nil {
				how.Aliases = map[string]string{}
			}
			if text != "" {
				how.Aliases[text] = f.answers.As[i]
			}
		}
		images, err := blob(f.images)
		var read *data.OwnImages
		if err == nil && f.labels.Truthy() {
			var labels js.Value
			if labels, err = blob(f.labels); err == nil {
				how.Labels = newFileReader(labels)
			}
		}
		if err == nil {
			in := newFileReader(images)
			f.bytes = in.size
			read, err = data.ReadOwnIDX(&counted{in, j.progress, 0, in.size}, f.name, o.schema, how)
		}
		j.do(func() {
			if err != nil {
				words := f.name + " cannot be read: " + reason(err) + "."
				if refused := (*data.Refusal)(nil); errors.As(err, &refused) || fileTrouble(f.name, err) != "" {
					words = refusal(f.name, err)
				}
				o.fail(words)
				return
			}
			f.read = read
			o.takeIDX(false)
		})
	})
}

// takeIDX makes data of the images, or asks what the person has to say.
func (o *own) takeIDX(skip bool) {
	f, r := o.idx, &o.report
	if f.read == nil {
		return
	}
	d, err := f.read.Own(rand.Uint64(), skip)
	r.Notes, r.Problems, r.AllProblems = f.read.Notes, nil, 0
	if err == nil {
		before := r.ID
		o.pictures = nil
		r.Notes = append(slices.Clone(r.Notes), d.Notes()...)
		o.has(d, f.name, f.bytes, "")
		o.keep(before)
		return
	}
	o.job = nil
	r.Step, r.Error = tab.DataRefused, refusal(f.name, err)
	r.BadRows, r.GoodRows, r.Layout = f.read.Rejected, f.read.Len(), f.read.Likely != ""
	o.offers(f.read.Offers)
	o.post()
}
