package task

import (
	"encoding/json"
	"slices"
	"testing"
)

// ownTable is a task with own data.
const ownTable = `name: patients
model: {kind: mlp, hidden: []}
data:
  source: own
  table:
    features:
      - {name: age, type: number, min: 0, max: 120, missing: mean}
      - {name: sex, type: category, values: [f, m], aliases: {female: f, male: m}, columns: [gender]}
      - {name: smoker, type: boolean, missing: "no", aliases: {ja: "yes", nein: "no"}}
    label: {name: outcome, values: [healthy, ill]}
strategy: {kind: fedavg, lr: 0.1}
stop: {rounds: 5}
`

const ownImages = `name: pets
model: {kind: mlp, hidden: []}
data: {source: own, images: {width: 28, height: 28, channels: 1, classes: [cat, dog], drawn: true}}
strategy: {kind: fedavg, lr: 0.1}
stop: {rounds: 5}
`

// The schema has the defaults, and the canonical form is that of an equal task.
func TestOwn(t *testing.T) {
	for _, c := range []struct {
		name, text string
		sets       []string
		want       string // of the schema
	}{
		{"a table", ownTable, nil, `{"table":{"features":[` +
			`{"name":"age","type":"number","min":0,"max":120,"missing":"mean"},` +
			`{"name":"sex","columns":["gender"],"type":"category","values":["f","m"],"aliases":{"female":"f","male":"m"}},` +
			`{"name":"smoker","type":"boolean","values":["no","yes"],"aliases":{"0":"no","1":"yes","f":"no","falsch":"no","false":"no","faux":"no","ja":"yes","n":"no","nein":"no","non":"no","oui":"yes","t":"yes","true":"yes","vrai":"yes","wahr":"yes","y":"yes"},"missing":"no"}],` +
			`"label":{"name":"outcome","type":"category","values":["healthy","ill"]}},"standardise":"federated","holdout":0.2,"min_examples":10,"max_examples":100000}`},
		{"images", ownImages, nil, `{"images":{"width":28,"height":28,"channels":1,"classes":["cat","dog"],"drawn":true},"standardise":"none","holdout":0.2,"min_examples":10,"max_examples":100000}`},
		{"a regression", ownTable, []string{"data.table.features=[{name: area, type: number}]", "data.table.label={name: price, type: number, min: -1, max: 100}", "data.table.label.values=", "data.standardise=none", "data.examples={min: 200000}", "model.hidden=", "data.holdout=.5"},
			`{"table":{"features":[{"name":"area","type":"number"}],"label":{"name":"price","type":"number","min":-1,"max":100}},"standardise":"none","holdout":0.5,"min_examples":200000,"max_examples":200000}`},
		{"categories alone", ownTable, []string{"data.table.features=[{name: smoker, type: boolean, aliases: {}}, {name: a, type: category, values: [x, y]}]"},
			`{"table":{"features":[{"name":"smoker","type":"boolean","values":["no","yes"],"aliases":{"0":"no","1":"yes","f":"no","falsch":"no","false":"no","faux":"no","ja":"yes","n":"no","nein":"no","non":"no","oui":"yes","t":"yes","true":"yes","vrai":"yes","wahr":"yes","y":"yes"}},{"name":"a","type":"category","values":["x","y"]}],` +
				`"label":{"name":"outcome","type":"category","values":["healthy","ill"]}},"standardise":"none","holdout":0.2,"min_examples":10,"max_examples":100000}`},
		{"a file to rehearse with, and one to test on", ownTable, []string{"data.from={csv: a.csv, partition: {kind: shards, clients: 3}}", "evaluate={on: both, every: 2, test: {csv: b.csv, decimal: comma}}", "data.table.features=[{name: a, type: boolean}]"},
			`{"table":{"features":[{"name":"a","type":"boolean","values":["no","yes"],"aliases":{"0":"no","1":"yes","f":"no","falsch":"no","false":"no","faux":"no","ja":"yes","n":"no","nein":"no","non":"no","oui":"yes","t":"yes","true":"yes","vrai":"yes","wahr":"yes","y":"yes"}}],` +
				`"label":{"name":"outcome","type":"category","values":["healthy","ill"]}},"standardise":"none","holdout":0.2,"min_examples":10,"max_examples":100000}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse("own.yaml", []byte(c.text), c.sets...)
			if err != nil {
				t.Fatal(err)
			}
			schema, err := json.Marshal(got.Data.Schema())
			if err != nil || string(schema) != c.want {
				t.Errorf("%v, got  %s\nwant %s", err, schema, c.want)
			}
			again, err := Parse("own.yaml", got.YAML())
			if err != nil || !equal(again, got) {
				t.Errorf("%v, got %+v\nwant %+v\n%s", err, again, got, got.YAML())
			}
			if err := got.CheckLive(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who may write a value how, and what versions are measured on, may change in a run.
func TestOwnChanges(t *testing.T) {
	was, err := Parse("a.yaml", []byte(ownTable))
	if err != nil {
		t.Fatal(err)
	}
	features := func(age, sex string) string {
		return "data.table.features=[{name: age, type: number, min: 0, missing: mean, " + age + "}, {name: sex, type: category, values: [f, m], " + sex + "}, {name: smoker, type: boolean, missing: \"no\"}]"
	}
	for _, c := range []struct {
		set  string
		want string // empty: the same run
	}{
		{features("max: 120", "aliases: {w: f}"), ""},
		{"data.table.label.columns=[result]", ""},
		{"evaluate={every: 3}", ""},
		{"data.examples={min: 3}", ""},
		{"data.from={csv: a.csv}", ""},
		{features("max: 99", "columns: [gender]"), "data.table.features[0].max is 99, was 120"},
		{features("max: 120", "missing: f"), "data.table.features[1].missing is f, was not set"},
		{"data.table.label.values=[ill, healthy]", "data.table.label.values is [ill, healthy], was [healthy, ill]"},
		{"data.standardise=local", "data.standardise is local, was federated"},
		{"data.holdout=.3", "data.holdout is 0.3, was 0.2"},
	} {
		is, err := Parse("a.yaml", []byte(ownTable), c.set)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		if got, err := is.Changes(was.YAML(), true); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", c.set, got, err, want)
		}
	}
}
