package fields

import (
	"reflect"
	"testing"

	"fedtab/tab"
)

func TestSame(t *testing.T) {
	full := func() *tab.Report {
		r := new(tab.Report)
		set(reflect.ValueOf(r).Elem(), 1)
		return r
	}
	if !Same(full(), full()) || !Same(*full(), *full()) || !Same(new(tab.Report), new(tab.Report)) {
		t.Error("equal reports are not the same")
	}
	// Each field, changed alone, makes another report.
	v := reflect.ValueOf(full()).Elem()
	for i := range v.NumField() {
		other := full()
		reflect.ValueOf(other).Elem().Field(i).SetZero()
		if Same(full(), other) || Same(other, full()) {
			t.Errorf("a report without %s is the same", v.Type().Field(i).Name)
		}
	}
	list := func(n ...any) any { return map[string]any{"a": n, "b": nil} }
	for _, c := range []struct {
		a, b any
		same bool
	}{
		{nil, nil, true},
		{nil, 1, false},
		{1, 1.0, false},
		{list(1, "x"), list(1, "x"), true},
		{list(1, "x"), list(1, "y"), false},
		{list(1), list(1, 2), false},
		{map[string]any{"a": 1}, map[string]any{"b": 1}, false},
		{map[string]any{"a": nil}, map[string]any{"b": nil}, false},
		{[][]int{{1}, {2, 3}}, [][]int{{1}, {2, 3}}, true},
		{[][]int{{1}, {2, 3}}, [][]int{{1}, {2, 4}}, false},
		{[]int(nil), []int{}, true},
	} {
		if got := Same(c.a, c.b); got != c.same {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.same)
		}
	}
}
