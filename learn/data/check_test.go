package data

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestSchemaCheck(t *testing.T) {
	const table = `{"table": {"features": [{"name": "age", "type": "number"}, {"name": "sex", "type": "category", "values": ["f", "m"]}], "label": {"name": "ill", "type": "category", "values": ["no", "yes"]}}, "holdout": 0.2, "min_examples": 10, "max_examples": 100}`
	const images = `{"images": {"width": 28, "height": 28, "channels": 1, "classes": ["a", "b"]}, "holdout": 0, "min_examples": 1, "max_examples": 100}`
	for _, c := range []struct{ name, text, old, new, want string }{
		{"a table", table, "", "", ""},
		{"images", images, "", "", ""},
		{"a regression", table, `"category", "values": ["no", "yes"]`, `"number"`, ""},
		{"neither", `{"max_examples": 1}`, "", "", "want one of them"},
		{"both", table, `"holdout"`, `"images": {}, "holdout"`, "want one of them"},
		{"a holdout of all", table, "0.2", "1", "a holdout of 1, want 0 <= holdout < 1"},
		{"no examples", table, "100", "5", "10 to 5 examples"},
		{"two channels", images, `"channels": 1`, `"channels": 2`, "with 2 channels"},
		{"large images", images, `"width": 28`, `"width": 28000`, "28000 x 28"},
		{"one class", images, `["a", "b"]`, `["a"]`, "1 classes, want 2 to 256"},
		{"an unknown type", table, `"number"`, `"date"`, `age has type "date"`},
		{"no values", table, `["f", "m"]`, "[]", "sex has no values"},
		{"a name with a control sign", table, `"age"`, `"a\u001bge"`, `a field is called "a\x1bge"`},
		{"a value that none is", table, `"values": ["f", "m"]`, `"values": ["f", "m"], "missing": "x"`, `sex has "x" for a missing value`},
	} {
		var s Schema
		if err := json.Unmarshal([]byte(strings.Replace(c.text, c.old, c.new, 1)), &s); err != nil {
			t.Fatal(err)
		}
		err := s.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Under a schema that passes the check, a table can be read.
func FuzzSchemaCheck(f *testing.F) {
	f.Add([]byte(`{"table": {"features": [{"name": "age", "type": "number", "min": 0, "missing": "mean"}], "label": {"name": "ill", "type": "boolean", "values": ["no", "yes"]}}, "standardise": "federated", "max_examples": 100}`), "age,ill\n1,yes\n2,no\n")
	f.Add([]byte(`{"images": {"width": 2, "height": 2, "channels": 3, "classes": ["a", "b"]}, "max_examples": 100}`), "")
	f.Fuzz(func(t *testing.T, schema []byte, table string) {
		var s Schema
		if json.Unmarshal(schema, &s) != nil || s.Check() != nil {
			return
		}
		if n := s.TotalsSize(); n < 8 || len(s.Shape()) == 0 {
			t.Fatalf("totals of %d bytes and shape %v", n, s.Shape())
		}
		if s.Table == nil {
			return
		}
		if rows, err := ReadOwn(strings.NewReader(table), "a.csv", &s, OwnCSV{}); err == nil {
			rows.Own(1, true)
		}
	})
}
