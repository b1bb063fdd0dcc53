package dataset

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// divideByName makes a client of the training examples of each name; names has one for
// each example. Clients are in the order of their names, by value if all are numbers.
func (d *Dataset) divideByName(names []string) error {
	of := map[string][]int32{}
	for i, name := range names {
		of[name] = append(of[name], int32(i))
	}
	if len(of) > task.MaxClients {
		return fmt.Errorf("%d clients, want at most %d", len(of), task.MaxClients)
	}
	order := slices.Sorted(maps.Keys(of))
	value := make(map[string]float64, len(order))
	for _, name := range order {
		v, err := strconv.ParseFloat(name, 64)
		if err != nil || v-v != 0 {
			value = nil // texts
			break
		}
		value[name] = v
	}
	if value != nil {
		slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(value[a], value[b]) })
	}
	for _, name := range order {
		d.clients = append(d.clients, of[name])
	}
	return nil
}

// divideByFile divides the training examples by a text file, whose line i tells whose
// example i is.
func (d *Dataset) divideByFile(path string) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name := strings.TrimSpace(lines.Text())
		switch n := len(names) + 1; {
		case n > d.Train.Len():
			return fmt.Errorf("%s:%d: more than %d lines, want one for each training example", path, n, d.Train.Len())
		case !data.ValidText(name):
			return fmt.Errorf("%s:%d: %s, want a short text that tells whose example %d is", path, n, strconv.QuoteToGraphic(name[:min(len(name), 40)]), n)
		}
		names = append(names, name)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("%s:%d: a line of more than %d bytes, want a short text", path, len(names)+1, bufio.MaxScanTokenSize)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case len(names) < d.Train.Len():
		return fmt.Errorf("%s has %d lines, want %d, one for each training example", path, len(names), d.Train.Len())
	}
	return d.divideByName(names)
}
