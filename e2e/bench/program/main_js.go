// Program is fedtab's engine in the browser benchmark: it trains jobs by fedtab/learn, as
// the tab's program does, and multiplies matrices by fedtab/learn/kernel. fedtab.js
// instantiates it and calls its functions.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"syscall/js"
	"unsafe"

	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/workload"
)

func main() {
	trainers := map[string]*workload.Trainer{}
	functions := map[string]func([]js.Value) (any, error){
		"kernel": func([]js.Value) (any, error) { return kernel.Name(), nil },
		"prepare": func(args []js.Value) (any, error) {
			t, err := prepare(args[1].String(), args[2], args[3], args[4])
			trainers[args[0].String()] = t
			return nil, err
		},
		"pass": func(args []js.Value) (any, error) {
			curve, err := trainers[args[0].String()].Pass()
			points := make([]any, len(curve))
			for i, v := range curve {
				points[i] = v
			}
			return points, err
		},
		"multiply": func(args []js.Value) (any, error) { return nil, multiply(args[0].Int(), args[1].Int()) },
	}
	program := map[string]any{}
	for name, f := range functions {
		program[name] = js.FuncOf(func(_ js.Value, args []js.Value) (result any) {
			defer func() { // a panic would end the program, and nobody would hear of it
				if p := recover(); p != nil {
					result = map[string]any{"error": fmt.Sprintf("%s: %v", name, p)}
				}
			}()
			value, err := f(args)
			if err != nil {
				return map[string]any{"error": fmt.Sprintf("%s: %v", name, err)}
			}
			return map[string]any{"value": value}
		})
	}
	js.Global().Get("fedtabRuns").Invoke(program)
	select {}
}

// prepare makes the trainer of a job, a workload.Job as JSON. Examples are pixels, a Uint8Array,
// or values, the bytes of a Float32Array, by the type of the array x.
func prepare(job string, x, y, params js.Value) (*workload.Trainer, error) {
	var j workload.Job
	if err := json.Unmarshal([]byte(job), &j); err != nil {
		return nil, err
	}
	labels := bytesOf(y)
	var set *data.Set
	var err error
	if x.InstanceOf(js.Global().Get("Float32Array")) {
		set, err = data.NewLabelled(j.Spec.Input, floatsOf(x), labels, j.Spec.Classes())
	} else {
		images := data.Array{Dims: append([]int{len(labels)}, j.Spec.Input...), Data: bytesOf(x)}
		set, err = data.NewSet(images, data.Array{Dims: []int{len(labels)}, Data: labels}, j.Spec.Classes())
	}
	if err != nil {
		return nil, err
	}
	return workload.NewTrainer(j, floatsOf(params), set)
}

func bytesOf(array js.Value) []byte {
	b := make([]byte, array.Length())
	js.CopyBytesToGo(b, array)
	return b
}

func floatsOf(array js.Value) []float32 {
	v := make([]float32, array.Length())
	bytes := js.Global().Get("Uint8Array").New(array.Get("buffer"), array.Get("byteOffset"), array.Get("byteLength"))
	js.CopyBytesToGo(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v)), bytes)
	return v
}

// matrices are the operands of a product, by their side.
var matrices = map[int]*[4][]float32{}

// multiply computes the product of two matrices of a side a number of times, and checks
// one element of every row against the plain sum.
func multiply(side, times int) error {
	m := matrices[side]
	if m == nil {
		m = new([4][]float32)
		for i := range m {
			m[i] = make([]float32, side*side)
			for k := range m[i] {
				m[i][k] = float32((k*7919+i*31)%997+1) / 997 // no zeros
			}
		}
		clear(m[3]) // the bias
		matrices[side] = m
	}
	y, x, w, b := m[0], m[1], m[2], m[3][:side]
	for range times {
		kernel.Forward(y, x, w, b, side, side, side, false)
	}
	for r := range side {
		c := r * 31 % side
		want := 0.
		for i := range side {
			want += float64(x[r*side+i]) * float64(w[i*side+c])
		}
		if got := float64(y[r*side+c]); !(math.Abs(got-want) <= 1e-4*want) {
			return fmt.Errorf("element %d, %d of the product of side %d is %v, want %v", r, c, side, got, want)
		}
	}
	return nil
}
