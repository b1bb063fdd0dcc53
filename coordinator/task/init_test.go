package task

import (
	"fmt"
	"strings"
	"testing"

	"fedtab/learn/data"
)

func guess(t *testing.T, text string) *data.Guess {
	t.Helper()
	g, err := data.GuessCSV(strings.NewReader(text), "x.csv", data.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// manyPrices returns a table of n different prices.
func manyPrices(n int) string {
	var b strings.Builder
	b.WriteString("area,price\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%g\n", i%50, 2500.5*float64(i+1))
	}
	return b.String()
}

// manyColumns returns a line of n names.
func manyColumns(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return strings.Join(names, ",")
}

// repeat writes a table of n rows: the given ones, again and again.
func repeat(header string, n int, rows ...string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range n {
		b.WriteString(rows[i%len(rows)] + "\n")
	}
	return b.String()
}

// A task that is made of a table can be read as it is, and says what was guessed.
func TestInit(t *testing.T) {
	for _, c := range []struct {
		name, path, text, target string
		want                     []string
	}{
		{"categories, dates, names, a constant and holes", "data/Patients 2024_final.csv.gz",
			repeat("name,age,sex,admitted,country,smoker,outcome", 40, "Ann %d,31,f,2024-05-31,DE,yes,ill", "Bob,?,m,2024-06-01,DE,no,healthy", "Cleo,77,f,2024-07-01,DE,no,healthy"), "",
			[]string{
				"# Guessed from Patients 2024_final.csv.gz: 40 rows of 7 columns.", "name: \"patients-2024-final\"\n", `title: "Patients 2024 final"`,
				"model: {kind: mlp, hidden: []}", "source: own",
				`- {name: "age", type: number, min: 10, max: 90, missing: "mean"} # whole numbers, 31 to 77, 2 different ones; missing in 13 rows; the mean of all participants stands for those`,
				`- {name: "sex", type: category, values: ["f", "m"]} # 2 different texts`, `# left out: "admitted": dates`, `# left out: "country": the same value in all rows`,
				`- {name: "smoker", type: boolean} # 2 different texts`,
				`label: {name: "outcome", values: ["healthy", "ill"]} # the last column; 2 different texts; healthy: 26, ill: 14 rows`,
				"standardise: federated #", "holdout: 0.2 #", "examples: {min: 10, max: 100000}", `from: {csv: "data/Patients 2024_final.csv.gz", decimal: point, partition: {kind: iid, clients: 3}}`,
				"strategy: {kind: fedavg, fraction: 1, min_clients: 3,", "evaluate: {on: holdouts, every: 1}",
			}},
		{"a number in euros, with decimal commas", "flats.csv", repeat("area;price", 30, "20,5;51.250,75", "33,25;83.125,5", "90;225.000,1"), "",
			[]string{"model: {kind: linear}", `label: {name: "price", type: number, min: 0, max: 300000} # the last column; numbers, 51250.8 to 225000, 3 different ones`, "decimal: comma"}},
		{"labels from 1 to 3, told by number", "x.csv", repeat("grade,points", 30, "1,91.5", "2,71.5", "3,51"), "1",
			[]string{`label: {name: "grade", values: ["1", "2", "3"]} # whole numbers, 1 to 3, 3 different ones`, `- {name: "points", type: number, min: 40, max: 110} # numbers, 51 to 91.5`}},
		{"a rare class", "Übersicht.csv", repeat("a,b", 40, strings.Split(strings.Repeat("1,x;2,x;", 19)+"3,y;1,x", ";")...), "",
			[]string{`title: "Übersicht"`, `values: ["x", "y"]} # the last column; 2 different texts; x: 39, y: 1 rows`, `# Class "y" is rare`, `# metrics: [{metric: recall, class: "y", reach: 0.8}]`}},
		{"numbers of the rows, and a name that is a number", "2024.csv", "id,a,b\n7,1,x\n8,2,y\n9,1,x\n10,2,y\n11,1,x\n12,2,x\n13,3,y\n14,3,y\n15,2,x\n16,5,x\n17,1,y\n", "",
			[]string{`# left out: "id": numbers of the rows`, `name: "2024"`, "examples: {min: 3,"}},
		{"numbers and a few texts", "x.csv", repeat("a,b,c", 30, "1,5,x", "2,6,y", "3,unknown,x"), "",
			[]string{`- {name: "b", type: category, values: ["5", "6", "unknown"]} # 3 different texts; "unknown" in line 4 is no number`}},
		{"no names", "x.csv", repeat("1,2,yes", 30, "1,2,yes", "2,7,no"), "",
			[]string{`label: {name: "3", values: ["no", "yes"]} # the last column; 2 different texts`, `- {name: "1", type: number, min: 0, max: 3} # whole numbers, 1 to 2`}},
		{"a target with holes", "x.csv", repeat("a,b", 30, "1,x", "2,y", "3,"), "",
			[]string{"2 different texts; missing in 10 rows, which are left out"}},
		{"holes in categories", "x.csv", repeat("a,b,c", 30, "TRUE,u,1", "FALSE,v,2", ",u,3", "true,,4", "F,v,5", "t,u,6"), "",
			[]string{`- {name: "b", type: category, values: ["u", "v"], missing: "u"} # 2 different texts; missing in 5 rows; the most frequent value stands for those`}},
		{"booleans with holes", "x.csv", repeat("a,c", 30, "TRUE,1", "FALSE,2", ",3", "TRUE,4"), "",
			[]string{`- {name: "a", type: boolean, missing: "yes"}`}},
		{"small and negative numbers", "x.csv", repeat("a,b,c,d", 30, "0.012,-5,1e30,x", "0.087,-17,-2e38,y"), "",
			[]string{`name: "a", type: number, min: 0, max: 0.11}`, `name: "b", type: number, min: -20, max: 0}`, `name: "c", type: number, min: -3e+38, max: 1e+38}`}},
		{"more different numbers than a column of categories has", "x.csv", manyPrices(300), "",
			[]string{`label: {name: "price", type: number, min: 0, max: 1000000} # the last column; numbers, 2500.5 to 750150`}},
		{"many columns", "x.csv", repeat(manyColumns(400)+",y", 30, strings.Repeat("1,", 400)+"no", strings.Repeat("2,", 400)+"yes"), "",
			[]string{"batch: 10, lr: 0.00625}"}},
		{"names that YAML would read otherwise", "x.csv", repeat(`"no","a: b #c","x{}"`, 30, `1,"it's ""so""",y`, "2,z,n"), "",
			[]string{`- {name: "a: b #c", type: category, values: ["it's \"so\"", "z"]}`, `- {name: "no", type: number, min: 0, max: 3}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := Init(c.path, guess(t, c.text), Guessed{Target: c.target, Participants: 3, Simulated: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(text), want) {
					t.Errorf("the task lacks %q:\n%s", want, text)
				}
			}
			tk, err := Parse("x.yaml", text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if tk.Data.From.CSV != c.path {
				t.Errorf("path %q, want %q", tk.Data.From.CSV, c.path)
			}
			if err := tk.CheckLive(); err != nil {
				t.Errorf("it cannot be served: %v", err)
			}
		})
	}
}

func TestInitRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, target, want string }{
		{"a sign that nothing shows", "a,b\n999,x\n12.345,y\n500,x\n", "", `x.csv:3: column 1 (a) is "12.345": no other number tells whether that is 12.345 or 12345, want --decimal point or comma`},
		{"no such column", "a,b\n1,2\n2,3\n", "c", `x.csv: there is no column "c", want one of "a" or "b", or a number from 1 to 2`},
		{"a column of dates", "a,b\n1,2024-01-01\n2,2024-01-02\n", "", `x.csv: the target "b" cannot be predicted: dates; want another column as --target: "a"`},
		{"a column of names", "a,b\n1,Ann\n2,Bob\n", "", `x.csv: the target "b" cannot be predicted: texts that hardly repeat`},
		{"one class only", "a,b\n1,x\n2,x\n", "", `x.csv: the target "b" cannot be predicted: the same value in all rows`},
		{"nothing to learn from", "a,b\nAnn,1\nBob,2\n", "", `x.csv: no column beside the target "b" holds numbers or categories`},
		{"too few rows", "a,b\n1,x\n2,y\n3,x\n4,y\n5,x\n", "", `x.csv: 5 rows, want at least 6: training starts with 3 participants`},
		{"one column", "a\n1\n2\n", "", `x.csv: no column beside the target "a" holds numbers or categories`},
	} {
		if _, err := Init("x.csv", guess(t, c.text), Guessed{Target: c.target, Participants: 3, Simulated: true}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// Whatever a table holds, its task is refused or can be read.
func FuzzInit(f *testing.F) {
	f.Add([]byte("a,b\n1,x\n2,y\n1,x\n2,y\n"), "")
	f.Add([]byte("a;\"b\n\";c\n1,5;x;2024-01-01\n"), "1")
	f.Add([]byte(repeat("id,age,smoker,when,grade", 12, "1,30,yes,2024-01-01,a", "2,,No,2024-01-02,b", "7,1e30,,2024-01-02,a")), "")
	f.Add([]byte(manyPrices(300)), "")
	f.Add([]byte(repeat("a;b;c", 9, "-0,5;x y;1", "1,25;z;2", "?;z;2")), "b")
	f.Add([]byte(repeat("a,b", 12, "0,1e-300", "1,2e-300", "2,-3e38")), "b")
	f.Add([]byte("0,\x11\n1,0\n1,x\n,x\n,x\n"), "")
	f.Add([]byte("a,\"b\nc\"\n1,\"x\ny\"\n2,z\n3,z\n1,\"x\ny\"\n"), "")
	f.Add([]byte("\xff\xfea\x00,\x00b\x00\n\x001\x00,\x002\x00"), "b")
	f.Fuzz(func(t *testing.T, text []byte, target string) {
		g, err := data.GuessCSV(strings.NewReader(string(text)), "x.csv", data.CSV{})
		if err != nil {
			return
		}
		out, err := Init("x.csv", g, Guessed{Target: target, Participants: 3, Simulated: true})
		if err != nil {
			return
		}
		if _, err := Parse("x.yaml", out); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}
