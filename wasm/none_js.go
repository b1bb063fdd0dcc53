//go:build !readers

package main

import (
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// own is the tab's own data in the program of the first load, which reads none: tasks
// that want data are trained by the program with the readers.
type own struct {
	page   *page
	queue  *queue
	schema *data.Schema
	data   *data.Own
}

// writers make files of models, by their format. ONNX is left to the program with the
// readers, and to the coordinator.
var writers = map[string]func(*export.Model) ([]byte, error){
	"safetensors": (*export.Model).Safetensors,
}

func (o *own) command(ownCommand)      {}
func (o *own) forget(then func(error)) { clearStores(o.queue, then) }

func (h *scheduler) personal(*worker, ownCommand) {}
