package main

import (
	"archive/zip"
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"path"
	"testing"

	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/tasks"
)

// sampleOf reads a file that ships as a participant would.
func sampleOf(t *testing.T, tk *task.Task, name string) *data.Own {
	t.Helper()
	b, err := tasks.Files.ReadFile(path.Join("samples", tk.Name, name))
	if err != nil {
		t.Fatal(err)
	}
	s := tk.Data.Schema()
	if s.Table != nil {
		rows, err := data.ReadOwn(bytes.NewReader(b), name, s, data.OwnCSV{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := rows.Own(1, false)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	archive, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	pictures := data.NewPictures(s)
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		im, err := png.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		size := im.Bounds().Size()
		rgba := image.NewRGBA(im.Bounds())
		draw.Draw(rgba, rgba.Bounds(), im, image.Point{}, draw.Src)
		class, folder := s.Images.ClassOfPath(f.Name, nil)
		if class < 0 {
			t.Fatalf("%s: the folder %q is no class", f.Name, folder)
		}
		if err := pictures.Add(f.Name, class, rgba.Pix, size.X, size.Y); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	o, err := pictures.Own(1)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Three participants with the sample files of a task train a model that is good on their
// hold-outs.
func TestSamplesTrain(t *testing.T) {
	for name, good := range map[string]func(accuracy, rmse *float64) bool{
		"own-vote":       func(accuracy, _ *float64) bool { return accuracy != nil && *accuracy > .75 },
		"own-clothes":    func(accuracy, _ *float64) bool { return accuracy != nil && *accuracy > .75 },
		"own-digits":     func(accuracy, _ *float64) bool { return accuracy != nil && *accuracy > .5 }, // ten classes, 144 pictures
		"own-investment": func(_, rmse *float64) bool { return rmse != nil && *rmse < 150 },            // million dollars; the deviation is 216
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tk, err := task.Find(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			o := swarm.Options{Task: name, Clients: 3}
			for _, file := range tk.Samples() {
				o.Own = append(o.Own, sampleOf(t, tk, file))
			}
			s := serveTest(t, Config{Tasks: []string{name}})
			o.URL = s.socket()
			if _, err := swarm.Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			v := s.api(t, "/api/tasks/"+name)
			if v.Finished == "" || !good(v.Evaluation.Accuracy, v.Evaluation.RMSE) {
				t.Errorf("%+v, want the end of the run and a good model", v)
			}
			if e := v.Evaluation; e.Accuracy != nil {
				t.Logf("accuracy %.4f", *e.Accuracy)
			} else if e.RMSE != nil {
				t.Logf("RMSE %.4g", *e.RMSE)
			}
		})
	}
}
