package models

import (
	"fmt"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/export"
)

// formats are the formats of files, by their extensions without the dot.
var formats = map[string]func(m *export.Model) ([]byte, error){
	"safetensors": (*export.Model).Safetensors,
	"onnx":        (*export.Model).ONNX,
	"json":        func(m *export.Model) ([]byte, error) { return m.Sidecar(), nil },
}

// Of returns a version of a run's model as the files have it.
func Of(t *task.Task, d *dataset.Dataset, spec learn.Spec, run string, version uint64, params []float32, hash [32]byte) *export.Model {
	m := &export.Model{
		Task: t.Name, Run: run, Version: version, Hash: hash,
		Spec: spec, Params: params, Encoding: d.Encoding(),
	}
	if spec.Classes() > 0 {
		m.Classes = d.ClassNames()
	}
	if m.Encoding == nil {
		by := d.Pixels()
		m.Pixels = &by
	}
	return m
}

// Name returns the name of a version's files, without extension.
func Name(run string, version uint64) string { return fmt.Sprintf("%s-%d", run, version) }

// File returns the content of a file of m. The format is that of its extension:
// safetensors, onnx, or json for the description alone.
func File(m *export.Model, format string) ([]byte, error) {
	write, ok := formats[format]
	if !ok {
		return nil, fmt.Errorf("format: %q, want safetensors, onnx or json", format)
	}
	return write(m)
}

// ContentType returns a format's media type over HTTP. safetensors and ONNX have no
// registered one.
func ContentType(format string) string {
	if format == "json" {
		return "application/json"
	}
	return "application/octet-stream"
}

// Split splits the name of a file into what precedes the extension and the format. It
// returns false if there is no such format.
func Split(file string) (name, format string, ok bool) {
	at := strings.LastIndexByte(file, '.')
	if at < 0 {
		return "", "", false
	}
	_, ok = formats[file[at+1:]]
	return file[:at], file[at+1:], ok
}
