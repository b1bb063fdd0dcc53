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

// writer returns what makes a file of a model in a format, nil if the program lacks it.
// ONNX is left to the program with the readers, and to the coordinator.
func writer(format string) func(*export.Model) ([]byte, error) {
	if format == "safetensors" {
		return (*export.Model).Safetensors
	}
	return nil
}

func (o *own) command(ownCommand)      {}
func (o *own) forget(then func(error)) { clearStores(o.queue, then) }

func (h *scheduler) personal(*worker, ownCommand) {}
