package fields

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"fedtab/api"
	"fedtab/tab"
)

// What encoding/json writes of the API is read as encoding/json reads it.
func TestFillTask(t *testing.T) {
	one, half := 1.0, .5
	in := api.Task{
		Name: "a", Strategy: api.Strategy{Kind: "fedavg", LR: .1, Epochs: 3}, Data: api.Data{Public: true}, Version: 7, TestLoss: &half,
		Traffic:    api.Traffic{BytesUp: 12, BitsUp: &one, Kinds: map[string]api.Kind{"order": {Up: 1, Down: 2}}},
		Rounds:     []api.Round{{Round: 3, TrainLoss: &one, Traffic: api.Traffic{BytesDown: 5}}, {Round: 4}},
		Curve:      &api.Curve{Round: []int{3, 4}, TestLoss: []*float64{&half, nil}, TestAccuracy: []*float64{nil, &one}},
		Evaluation: &api.Evaluation{Version: 3, F1: &half, Classes: []api.Class{{Name: "ill", Examples: 2, Recall: &half}}, Confusion: [][]int64{{1, 1}, {0, 2}}},
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	var out, want api.Task
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	Fill(&out, m)
	if !reflect.DeepEqual(out, want) {
		t.Errorf("got  %+v\nwant %+v", out, want)
	}
	Fill(&out, map[string]any{"name": 3.0, "strategy": "x", "rounds": map[string]any{}, "test_loss": "none", "version": "7"})
	if !reflect.DeepEqual(out, api.Task{}) {
		t.Errorf("of fields of other types there is %+v, want nothing", out)
	}
}

// set gives a value to every field of a struct.
func set(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(n) + .5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			set(v.Index(i), n+i)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i), n+i)
		}
	default:
		v.SetInt(int64(n))
	}
}

// What the worker says is what the page hears, every field of it.
func TestReport(t *testing.T) {
	var in tab.Report
	set(reflect.ValueOf(&in).Elem(), 1)

	text, err := json.Marshal(Map(in)) // as structured clone does: numbers become float64
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	var out tab.Report
	Fill(&out, m)
	if !reflect.DeepEqual(out, in) {
		t.Errorf("got  %+v\nwant %+v", out, in)
	}
}

// Structs within structs, and lists of them, arrive as they were.
func TestData(t *testing.T) {
	in := tab.Data{
		Step: tab.DataAsking, Notes: []string{"a"}, Bytes: 5 << 30, Found: []string{"x", "y"},
		Want:   []tab.Wanted{{Name: "age", Column: 2}, {Name: "sex", Why: "none"}},
		Offers: []tab.Offer{{Column: "sex", Texts: []tab.Text{{Text: "w", Rows: 3, As: "f"}}, Values: []string{"f", "m"}}},
	}
	text, err := json.Marshal(Map(in))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	var out tab.Data
	Fill(&out, m)
	if !reflect.DeepEqual(Map(out), Map(in)) { // lists that are nil arrive empty
		t.Errorf("got  %+v\nwant %+v", out, in)
	}
}
