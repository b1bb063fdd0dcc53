package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func bound(v float64) *float64 { return &v }

// patients is a schema with a number, a category, a boolean and classes.
func patients() *Schema {
	return &Schema{
		Table: &TableSchema{
			Features: []Field{
				{Name: "age", Type: NumberField, Min: bound(0), Max: bound(120), Columns: []string{"Alter"}},
				{Name: "sex", Type: CategoryField, Values: []string{"f", "m"}, Aliases: map[string]string{"female": "f", "weiblich": "f"}},
				{Name: "smoker", Type: BooleanField, Values: []string{"no", "yes"}, Missing: "no", Aliases: map[string]string{"ja": "yes", "wahr": "yes", "1": "yes", "nein": "no", "falsch": "no", "0": "no"}},
				{Name: "blood_pressure", Type: NumberField, Missing: MeanFill},
			},
			Label: Field{Name: "outcome", Type: CategoryField, Values: []string{"healthy", "ill"}},
		},
		Min: 2, Max: 1000,
	}
}

// houses is a schema of numbers.
func houses() *Schema {
	return &Schema{
		Table: &TableSchema{
			Features: []Field{{Name: "area", Type: NumberField}, {Name: "rooms", Type: NumberField}},
			Label:    Field{Name: "price", Type: NumberField},
		},
		Min: 1, Max: 1000,
	}
}

// digits is a schema whose classes are numbers.
func digits() *Schema {
	s := houses()
	s.Table.Label = Field{Name: "digit", Type: CategoryField, Values: []string{"0", "1", "2", "3"}}
	return s
}

const patientsCSV = "age,sex,smoker,blood_pressure,outcome\n31,f,yes,120.5,healthy\n42,m,no,135,ill\n58,Female,,,ill\n"

var patientsCells = []float64{31, 0, 1, 120.5, 42, 1, 0, 135, 58, 0, math.NaN(), math.NaN()}

func readOwn(t *testing.T, text string, s *Schema, how OwnCSV) *OwnRows {
	t.Helper()
	got, err := ReadOwn(iotest.HalfReader(strings.NewReader(text)), "x.csv", s, how)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestReadOwn(t *testing.T) {
	german := "Outcome;Blood Pressure;Smoker;SEX;Alter;note\nhealthy;120,5;ja;weiblich;31;\"a;b\"\nill;135;nein;M;42;x\nill;;;f;58;\n"
	for _, c := range []struct {
		name, text string
		how        OwnCSV
	}{
		{"plain", patientsCSV, OwnCSV{}},
		{"CRLF, quotes and empty lines", strings.ReplaceAll(strings.ReplaceAll(patientsCSV, "\n", "\r\n\r\n"), "yes", `"yes"`), OwnCSV{}},
		{"another order, decimal commas, aliases, another column", german, OwnCSV{}},
		{"UTF-16", string(utf16Of(german, binary.LittleEndian, true)), OwnCSV{}},
		{"vertical bars", strings.ReplaceAll(patientsCSV, ",", "|"), OwnCSV{}},
		{"tabs", strings.ReplaceAll(patientsCSV, ",", "\t"), OwnCSV{}},
		{"Excel's separator line", "sep=;\r\n" + german, OwnCSV{}},
		{"separators after the rows", strings.ReplaceAll(patientsCSV, "\n", ",,\n"), OwnCSV{}},
		{"more fields in rows than names", strings.Replace(strings.ReplaceAll(patientsCSV, "\n", ",,\n"), ",,", "", 1), OwnCSV{}},
		{"rows of empty fields", patientsCSV + ",,,,\n, ,,,\n", OwnCSV{}},
		{"no header", strings.SplitN(patientsCSV, "\n", 2)[1], OwnCSV{}},
		{"repeated header", patientsCSV[:strings.Index(patientsCSV, "42")] + patientsCSV[:38] + patientsCSV[strings.Index(patientsCSV, "42"):], OwnCSV{}},
		{"by hand", strings.Replace(patientsCSV, "age", "a", 1), OwnCSV{Columns: map[string]int{"age": 0}}},
		{"by hand against a name", strings.Replace(strings.Replace(patientsCSV, "age,sex", "sex,age", 1), "x", "x", 1), OwnCSV{Columns: map[string]int{"age": 0, "sex": 1}}},
		{"values by hand", strings.ReplaceAll(strings.ReplaceAll(patientsCSV, "ill", "sick"), ",f,", ",w,"), OwnCSV{
			Aliases: map[string]map[string]string{"outcome": {"sick": "ill"}, "sex": {"w": "f"}},
		}},
		{"a column twice that no field needs", strings.NewReplacer("outcome\n", "outcome,x,x\n", "ill\n", "ill,1,2\n", "healthy\n", "healthy,1,2\n").Replace(patientsCSV), OwnCSV{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := PreviewOwn(iotest.HalfReader(strings.NewReader(c.text)), "x.csv", patients(), c.how)
			if err != nil || !p.Ready() || len(p.Rows) != 3 || p.Problems != nil || p.Offers != nil {
				t.Errorf("preview %+v, %v", p, err)
			}
			got := readOwn(t, c.text, patients(), c.how)
			if cells := flat(got.table); !slices.EqualFunc(cells, patientsCells, same) || !slices.Equal(got.table.labels, []uint8{0, 1, 1}) {
				t.Errorf("cells are %v, labels %v, problems %v", cells, got.table.labels, got.Problems)
			}
			own, err := got.Own(1, false)
			if err != nil || own.Len() != 3 {
				t.Errorf("own data: %v", err)
			}
		})
	}
}

func TestPreviewOwn(t *testing.T) {
	p, err := PreviewOwn(strings.NewReader(patientsCSV+"x,m,no,1,ill\n"), "x.csv", patients(), OwnCSV{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Dialect{"UTF-8", ',', '.', true}); p.Dialect != want || len(p.Rows) != 4 {
		t.Errorf("got %+v, %d rows, want %+v, 4", p.Dialect, len(p.Rows), want)
	}
	if got, want := p.Rows[2].Cells, []PreviewCell{{"58", "58", ""}, {"Female", "f", ""}, {}, {}, {"ill", "ill", ""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := p.Rows[3].Cells[0], (PreviewCell{"x", "", "a number from 0 to 120"}); got != want || p.Rows[3].Line != 5 {
		t.Errorf("line %d: got %+v, want %+v", p.Rows[3].Line, got, want)
	}
	if len(p.Problems) != 1 || p.Problems[0].String() != `line 5: age is "x", want a number from 0 to 120` {
		t.Errorf("problems %v", p.Problems)
	}
	for _, c := range []struct {
		name, text string
		how        OwnCSV
		found      []Found
	}{
		{"no such column", "area,size,price\n1,2,3\n", OwnCSV{}, []Found{{"area", 0, ByName, "", false}, {"rooms", -1, "", "no column is called rooms: choose one", false}, {"price", 2, ByName, "", false}}},
		{"twice", "area,rooms,price,rooms\n1,2,3,4\n", OwnCSV{}, []Found{{"area", 0, ByName, "", false}, {"rooms", -1, "", "columns 2 and 4 can be rooms: choose one", true}, {"price", 2, ByName, "", false}}},
		{"similar twice", "area,Rooms,price,ROOMS\n1,2,3,4\n", OwnCSV{}, []Found{{"area", 0, ByName, "", false}, {"rooms", -1, "", "columns 2 and 4 can be rooms: choose one", true}, {"price", 2, ByName, "", false}}},
		{"the same name first", "area,Rooms,price,rooms\n1,2,3,4\n", OwnCSV{}, []Found{{"area", 0, ByName, "", false}, {"rooms", 3, ByName, "", false}, {"price", 2, ByName, "", false}}},
		{"by hand", "Area,size,price\n1,2,3\n", OwnCSV{Columns: map[string]int{"rooms": 1}}, []Found{{"area", 0, BySimilar, "", false}, {"rooms", 1, ByHand, "", false}, {"price", 2, ByName, "", false}}},
		{"no names", "1,2,3\n", OwnCSV{}, []Found{{"area", 0, ByOrder, "", false}, {"rooms", 1, ByOrder, "", false}, {"price", 2, ByOrder, "", false}}},
		{"no names and another column", "1,2,3,4\n", OwnCSV{}, []Found{{"area", -1, "", "no column is called area: choose one", false}, {"rooms", -1, "", "no column is called rooms: choose one", false}, {"price", -1, "", "no column is called price: choose one", false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := PreviewOwn(strings.NewReader(c.text), "x.csv", houses(), c.how)
			if err != nil || !reflect.DeepEqual(p.Found, c.found) {
				t.Errorf("got %+v, %v, want %+v", p.Found, err, c.found)
			}
			_, err = ReadOwn(strings.NewReader(c.text), "x.csv", houses(), c.how)
			if refused := (*Refusal)(nil); p.Ready() == errors.As(err, &refused) {
				t.Errorf("ready is %v, reading gives %v", p.Ready(), err)
			}
		})
	}
}

// What a person is told of values that cannot be used.
func TestOwnProblems(t *testing.T) {
	head := "area,rooms,price\n"
	people := "age,sex,smoker,blood_pressure,outcome\n"
	for _, c := range []struct {
		name, text string
		s          *Schema
		want       []string
	}{
		{"text", head + "x,1,2\n", houses(), []string{`line 2: area is "x", want a number`}},
		{"empty, and marks of missing values", head + ",1,2\n1,NaN,2\n1,2,N/A\n1,-,2\n", houses(), []string{
			`line 2: area is "", want a value`, `line 3: rooms is "NaN", want a value`, `line 4: price is "N/A", want a value`, `line 5: rooms is "-", want a value`}},
		{"a date", head + "2024-05-31,1,2\n31.05.2024,1,2\n", houses(), []string{
			`line 2: area is "2024-05-31", want a number (it is a date: write a year or a number of days)`,
			`line 3: area is "31.05.2024", want a number (it is a date: write a year or a number of days)`}},
		{"a unit", head + "12 m2,1,2\n12 kg,1,2\n", houses(), []string{`line 2: area is "12 m2", want a number`, `line 3: area is "12 kg", want a number without a unit`}},
		{"the other decimal sign", head + "1.5,1,2\n\"1,5\",1,2\n", houses(), []string{`line 3: area is "1,5", want a number with a decimal point`}},
		{"infinity and hexadecimal", head + "inf,0x10,1e999\n", houses(), []string{`line 2: area is "inf", want a number`, `line 2: rooms is "0x10", want a number`, `line 2: price is "1e999", want a number`}},
		{"beyond binary32", head + "-4e38,1,1\n", houses(), []string{`line 2: area is "-4e38", want a number of at most 3.4e38`}},
		{"out of range", people + "121,f,no,1,ill\n-1,f,no,1,ill\n", patients(), []string{`line 2: age is "121", want a number from 0 to 120`, `line 3: age is "-1", want a number from 0 to 120`}},
		{"an unknown category", people + "1,x,no,1,ill\n", patients(), []string{`line 2: sex is "x", want one of f, m`}},
		{"a missing label", people + "1,f,no,1,\n", patients(), []string{`line 2: outcome is "", want a value`}},
		{"too few values", head + "1,2\n", houses(), []string{"line 2: 2 values, want 3 as in the first line"}},
		{"too many values", head + "1,2,3,4\n", houses(), []string{"line 2: 4 values, want 3 as in the first line"}},
		{"a quote in a value", head + "1\",2,3\n", houses(), []string{"line 2: a quote at byte 2 is not closed, or inside a value, want it doubled and the value in quotes"}},
		{"a line in quotes", "area,rooms,price,note\n1,2,3,\"a\nb\"\nx,2,3,\n", houses(), []string{`line 4: area is "x", want a number`}},
		{"not UTF-8 any more", people + "1,\u00e9\xff,no,1,ill\n", patients(), []string{"line 2: sex is \"\u00c3\u00a9\u00ff\", want one of f, m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := "1,1,1\n1,2,3\n"
			if c.s.Classes() != nil {
				good = "30,f,no,100,ill\n31,m,no,100,healthy\n"
			}
			if strings.Contains(c.text, "note") {
				good = "1,1,1,\n1,2,3,\n"
			}
			got := readOwn(t, c.text+good, c.s, OwnCSV{Decimal: '.'})
			var texts []string
			for _, p := range got.Problems {
				texts = append(texts, p.String())
			}
			if !slices.Equal(texts, c.want) || got.Count != len(c.want) {
				t.Errorf("got %d: %q\nwant %q", got.Count, texts, c.want)
			}
			if _, err := got.Own(1, false); err == nil || !strings.Contains(err.Error(), " rows. The first: "+c.want[0]) {
				t.Errorf("without leaving rows out: %v", err)
			}
			if own, err := got.Own(1, true); err != nil || own.Len() < 2 {
				t.Errorf("leaving rows out: %v", err)
			}
		})
	}
}

// Numbers that can be read in two ways are asked about, wherever they are.
func TestOwnDecimal(t *testing.T) {
	head := "area;rooms;price\n"
	many := strings.Repeat("1;2;3\n", 2*ownSampleRows)
	for _, c := range []struct {
		name, text string
		want       string // the question
		last       float64
	}{
		{"thousands or thousandths", head + "999;1;1\n12.345;1;1\n", `Line 3: area is "12.345". Is that 12.345, with a decimal point, or 12345, with a decimal comma?`, 12.345},
		{"a comma", head + "999;1;1\n1,234;1;1\n", `Line 3: area is "1,234". Is that 1234, with a decimal point, or 1.234, with a decimal comma?`, 1234},
		{"after many rows", head + many + "12.345;1;1\n", `Line 2002: area is "12.345". Is that 12.345, with a decimal point, or 12345, with a decimal comma?`, 12.345},
		{"shown later", head + many + "12.345;1;1.5\n", "", 12.345},
		{"a comma is shown later", head + many + "1;1;0,5\n12.345;1;1\n", "", 12345},
		{"a comma is shown too late", head + many + "12.345;1;1\n1;1;0,5\n", `Line 2002: area is "12.345". Is that 12.345, with a decimal point, or 12345, with a decimal comma?`, 12.345},
		{"German", head + "1.234,5;1;1\n12.345;1;1\n", "", 12345},
		{"English", head + "1,234.5;1;1\n12,345;1;1\n", "", 12345},
		{"groups, per cent, powers", head + "1 234.5;12%;1e3\n", "", 1234.5},
		{"another column", "area;rooms;price;x\n1;1;1;12.345\n", "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := houses()
			s.Max = 1e6
			got := readOwn(t, c.text, s, OwnCSV{})
			question := ""
			if got.Question != nil {
				question = got.Question.String()
			}
			if cells := got.table.cells.row(got.Len() - 1); question != c.want || cells[0] != c.last {
				t.Errorf("got %q, %v, want %q, %v", question, cells, c.want, c.last)
			}
			_, err := got.Own(1, true)
			if (err != nil) != (c.want != "") {
				t.Errorf("own data: %v", err)
			}
			for _, sign := range []rune{'.', ','} {
				if got := readOwn(t, c.text, s, OwnCSV{Decimal: sign}); got.Question != nil {
					t.Errorf("the sign is told, and %v", got.Question)
				}
			}
		})
	}
}

// Texts that are no values are offered to be mapped.
func TestOffers(t *testing.T) {
	rows := func(labels ...string) string {
		text := "area,rooms,digit\n"
		for i, s := range labels {
			text += fmt.Sprintf("%d,%d,%s\n", i, 2*i, s)
		}
		return text
	}
	for _, c := range []struct {
		name, text string
		s          *Schema
		want       Offer
	}{
		{"from 1", rows("1", "2", "3", "4", "4"), digits(), Offer{Field: "digit", Texts: []Text{{"4", 2}}, Values: []string{"0", "1", "2", "3"},
			Suggested: map[string]string{"1": "0", "2": "1", "3": "2", "4": "3"}, Shifted: "digit goes from 1 in the file and from 0 in the task"}},
		{"from 1, some absent", rows("2", "4", "2"), digits(), Offer{Field: "digit", Texts: []Text{{"4", 1}}, Values: []string{"0", "1", "2", "3"},
			Suggested: map[string]string{"2": "1", "4": "3"}, Shifted: "digit goes from 2 in the file and from 0 in the task"}},
		{"from 200", rows("200", "202", "201", "203"), digits(), Offer{Field: "digit", Texts: []Text{{"200", 1}, {"202", 1}, {"201", 1}, {"203", 1}}, Values: []string{"0", "1", "2", "3"},
			Suggested: map[string]string{"200": "0", "201": "1", "202": "2", "203": "3"}}},
		{"one stray label", rows("0", "1", "7"), digits(), Offer{Field: "digit", Texts: []Text{{"7", 1}}, Values: []string{"0", "1", "2", "3"}}},
		{"a stray label that begins as another does", rows("0", "1", "31"), digits(), Offer{Field: "digit", Texts: []Text{{"31", 1}}, Values: []string{"0", "1", "2", "3"}}},
		{"beginnings", strings.NewReplacer("ill", "ill (2)", "Female", "fem").Replace(patientsCSV), patients(), Offer{Field: "sex", Texts: []Text{{"fem", 1}}, Values: []string{"f", "m"}, Suggested: map[string]string{"fem": "f"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := PreviewOwn(strings.NewReader(c.text), "x.csv", c.s, OwnCSV{})
			got := readOwn(t, c.text, c.s, OwnCSV{})
			if err != nil || !reflect.DeepEqual(got.Offers[0], c.want) || !reflect.DeepEqual(p.Offers, got.Offers) {
				t.Errorf("got %+v, preview %+v, %v, want %+v", got.Offers, p.Offers, err, c.want)
			}
			if _, err := got.Own(1, true); c.want.Shifted != "" && (err == nil || !strings.Contains(err.Error(), c.want.Shifted)) {
				t.Errorf("own data: %v", err)
			}
			if c.want.Suggested == nil {
				return
			}
			how := OwnCSV{Aliases: map[string]map[string]string{}}
			for _, o := range got.Offers {
				how.Aliases[o.Field] = o.Suggested
			}
			got = readOwn(t, c.text, c.s, how)
			if _, err := got.Own(1, false); err != nil || got.Offers != nil {
				t.Errorf("the suggestion taken: %v, %+v", err, got.Offers)
			}
		})
	}
	text := rows("1", "2", "3", "4")
	got := readOwn(t, text, digits(), OwnCSV{Aliases: map[string]map[string]string{"digit": {}}})
	if own, err := got.Own(1, true); err != nil || own.Len() != 3 {
		t.Errorf("the suggestion refused: %v", err)
	}
	if got := readOwn(t, rows("0.0", "3.00"), digits(), OwnCSV{}); !slices.Equal(got.table.labels, []uint8{0, 3}) {
		t.Errorf("labels with decimals: %v, %v", got.table.labels, got.Problems)
	}
}

// What is no table, and what is odd, is said in sentences.
func TestOwnRefuses(t *testing.T) {
	head := "area,rooms,price\n"
	limits := houses()
	limits.Min, limits.Max = 10, 100
	excel := " Open it in its program, save the sheet as CSV (File, Save as, CSV UTF-8) and choose that file."
	for _, c := range []struct {
		name, text string
		s          *Schema
		how        OwnCSV
		want       string
	}{
		{"empty", "", houses(), OwnCSV{}, "x.csv is empty."},
		{"empty lines", "\n\r\n\n", houses(), OwnCSV{}, "x.csv is empty."},
		{"names alone", head, houses(), OwnCSV{}, "x.csv has no rows."},
		{"Excel renamed", "PK\x03\x04\x14\x00[Content_Types].xml....xl/workbook.xml", houses(), OwnCSV{}, "x.csv is an Excel workbook, not a table in text." + excel},
		{"old Excel renamed", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", houses(), OwnCSV{}, "x.csv is an Excel workbook, not a table in text." + excel},
		{"LibreOffice", "PK\x03\x04\x14\x00mimetypeapplication/vnd.oasis.opendocument.spreadsheet", houses(), OwnCSV{}, "x.csv is a spreadsheet of LibreOffice, not a table in text." + excel},
		{"zip", "PK\x03\x04\x14\x00a.csv", houses(), OwnCSV{}, "x.csv is a zip archive or a spreadsheet, not a table in text." + excel},
		{"Parquet", "PAR1\x15\x04", houses(), OwnCSV{}, "x.csv is a Parquet file, not a table in text. Save it as CSV (in Python: pandas.read_parquet(FILE).to_csv(NEW, index=False)) and choose that file."},
		{"PDF", "%PDF-1.4\n", houses(), OwnCSV{}, "x.csv is a PDF document, not a table in text. Choose a CSV file: a table in text with a line for each row."},
		{"PNG", "\x89PNG\r\n\x1a\n", houses(), OwnCSV{}, "x.csv is an image, not a table in text. Choose a CSV file: a table in text with a line for each row."},
		{"JPEG", "\xff\xd8\xff\xe0", houses(), OwnCSV{}, "x.csv is an image, not a table"},
		{"HEIC", "\x00\x00\x00\x18ftypheic", houses(), OwnCSV{}, "x.csv is an image or a film, not a table"},
		{"gzip", "\x1f\x8b\x08", houses(), OwnCSV{}, "x.csv is compressed with gzip, not a table in text. Unpack it and choose the file in it."},
		{"a web page", "\n<!DOCTYPE html><html>", houses(), OwnCSV{}, "x.csv is a web page or XML, not a table in text. Choose a CSV file"},
		{"a zero byte", "a,b\n\x00\x00\x00\n", houses(), OwnCSV{}, "x.csv, line 2: a zero byte. The file is damaged, or not a table in text."},
		{"CR alone", "a,b\r1,2\r", houses(), OwnCSV{}, "x.csv has the line ends of old Macintosh programs. Save it as CSV UTF-8 and choose that file."},
		{"other columns", "a,b,c,d\n1,2,3,4\n", houses(), OwnCSV{}, "x.csv does not have all columns of the task: no column is called area: choose one; no column is called rooms: choose one; no column is called price: choose one. Its columns are a, b, c, d."},
		{"a quote that is not closed", head + "1,2,3\n\"4,5,6\n7,8,9\n", houses(), OwnCSV{}, "x.csv, line 3: a quote is not closed. Correct that line."},
		{"too few rows", head + "1,2,3\n", limits, OwnCSV{}, "x.csv has 1 row without problems, and the task wants at least 10."},
		{"too many rows", head + strings.Repeat("1,2,3\n", 101), limits, OwnCSV{}, "x.csv has more than 100 rows, and the task takes at most 100. Choose a part of it."},
		{"no good row", head + "x,2,3\n", houses(), OwnCSV{}, `x.csv has no row without problems. The first: line 2: area is "x", want a number.`},
		{"separator", head, houses(), OwnCSV{Separator: '"'}, `The separator is '"', want a character other than a quote or a line end.`},
		{"images", head, &Schema{Images: &ImageSchema{}}, OwnCSV{}, "The task wants images, not a table."},
		{"many columns", strings.Repeat("a,", 20000) + "\n", houses(), OwnCSV{}, "x.csv has 20001 columns, more than 16384."},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := ReadOwn(strings.NewReader(c.text), "x.csv", c.s, c.how)
			if err == nil {
				_, err = rows.Own(1, false)
			}
			if refused := (*Refusal)(nil); !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%v is neither malformed nor too large", err)
			}
		})
	}
}

func TestOwnNotes(t *testing.T) {
	head := "area,rooms,digit\n"
	for text, want := range map[string][]string{
		head + "1,2,3\n1,4,3\n":                                 {"All examples are of one class, 3.", "All rows have the same value in column area."},
		head + "1,2,3\narea,rooms,digit\n2,1,2\n2,1,0\n2,1,1\n": {"Left out, because they repeat the names: 1 line."},
		"1,2,3\n2,1,2\n3,1,0\n3,1,1\n":                          {"The file has no line of names: its columns are taken in the order of the task."},
		head + "1,2,3\n2,1,2\n3,1,0\n3,1,1\n":                   nil,
		head + "1,2,3\n2,1,2\n":                                 {"There are no examples of 0, 1."},
		"a,area,b,digit,rooms,c\n1,1,1,1,1,1\n1,2,1,2,2,1":      {"There are no examples of 0, 3."},
	} {
		if got := readOwn(t, text, digits(), OwnCSV{}); !slices.Equal(got.Notes, want) || got.Count > 0 {
			t.Errorf("%q: got %q, want %q, problems %v", text, got.Notes, want, got.Problems)
		}
	}
	got := readOwn(t, patientsCSV, patients(), OwnCSV{})
	if want := []string{"Missing in smoker: 1 value, filled with no.", "Missing in blood_pressure: 1 value, filled with the mean of all participants."}; !slices.Equal(got.Notes, want) {
		t.Errorf("got %q, want %q", got.Notes, want)
	}
}

// 10,000 columns, of which the task wants three; and a schema that wants them all.
func TestOwnWide(t *testing.T) {
	const n = 10000
	var names, row strings.Builder
	for i := range n {
		fmt.Fprintf(&names, "column number %d,", i)
		fmt.Fprintf(&row, "%d,", i)
	}
	text := names.String() + "area,rooms,price\n" + strings.Repeat(row.String()+"1,2,3\n", 20)
	got := readOwn(t, text, houses(), OwnCSV{})
	if got.Len() != 20 || !slices.Equal(got.table.cells.row(19), []float64{1, 2}) {
		t.Errorf("%d rows", got.Len())
	}
	s := houses()
	for i := range n {
		s.Table.Features = append(s.Table.Features, Field{Name: fmt.Sprintf("column number %d", i), Type: NumberField})
	}
	if got := readOwn(t, text, s, OwnCSV{}); got.Len() != 20 || got.table.cells.row(7)[n+1] != n-1 {
		t.Errorf("%d rows", got.Len())
	}
}

// Three files of one table, one with another order of columns and decimal commas, give
// the rows of one file.
func TestOwnFederated(t *testing.T) {
	var all []float64
	var labels []uint8
	for _, text := range []string{
		"age,sex,smoker,blood_pressure,outcome\n31,f,yes,120.5,healthy\n42,m,no,1135.25,ill\n",
		"outcome;Blood_Pressure;Smoker;sex;age\nhealthy;120,5;WAHR;w;31\nill;1.135,25;FALSCH;M;42\n",
		"\ufeffID\tAlter\tSex\tsmoker\tblood pressure\tOUTCOME\r\n1\t31\tfemale\t1\t120.50\thealthy\r\n2\t42.0\tm\t0\t1,135.25\till\r\n",
	} {
		got := readOwn(t, text, patients(), OwnCSV{Aliases: map[string]map[string]string{"sex": {"w": "f"}}})
		if got.Count > 0 || got.Question != nil {
			t.Fatalf("%q: %v, %v", text, got.Problems, got.Question)
		}
		if all == nil {
			all, labels = flat(got.table), got.table.labels
		}
		if !slices.Equal(flat(got.table), all) || !slices.Equal(got.table.labels, labels) {
			t.Errorf("%q: cells are %v, labels %v, want %v, %v", text, flat(got.table), got.table.labels, all, labels)
		}
	}
}

// A file of 4 GB is refused by its size after its first rows; reading can be cancelled.
func TestOwnEndless(t *testing.T) {
	e := &endless{text: "1,2,3\n", n: 4 << 30}
	_, err := ReadOwn(io.MultiReader(strings.NewReader("area,rooms,price\n"), e), "x.csv", houses(), OwnCSV{Size: e.n})
	if !errors.Is(err, ErrTooLarge) || !strings.HasPrefix(err.Error(), "x.csv has ") || e.read > 4<<20 {
		t.Errorf("got %v after %d bytes", err, e.read)
	}
	s := houses()
	s.Max = 1 << 40
	e = &endless{text: "1,2,3\n", n: 4 << 30}
	if _, err = ReadOwn(io.MultiReader(strings.NewReader("area,rooms,price\n"), e), "x.csv", s, OwnCSV{Size: e.n}); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "fit in memory") || e.read > 4<<20 {
		t.Errorf("got %v after %d bytes", err, e.read)
	}
	e = &endless{text: "1", n: 4 << 30}
	if _, err = ReadOwn(io.MultiReader(strings.NewReader("area,rooms,price\n1,2,"), e), "x.csv", s, OwnCSV{}); !errors.Is(err, ErrTooLarge) || e.read > 8<<20 {
		t.Errorf("a row that does not end: got %v after %d bytes", err, e.read)
	}
	cancelled := errors.New("cancelled")
	e = &endless{text: "1,2,3\n", n: 4 << 30}
	var at int64
	_, err = ReadOwn(io.MultiReader(strings.NewReader("area,rooms,price\n"), e), "x.csv", s, OwnCSV{Progress: func(bytes int64, rows int) error {
		if at = bytes; bytes > 5<<20 && rows > 0 {
			return cancelled
		}
		return nil
	}})
	if err != cancelled || at > 7<<20 {
		t.Errorf("got %v at %d", err, at)
	}
	broken := errors.New("the file has changed")
	if _, err := ReadOwn(io.MultiReader(strings.NewReader("area,rooms,price\n1,2,3\n"), iotest.ErrReader(broken)), "x.csv", s, OwnCSV{}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// Whatever a file holds, a preview and a reading agree, data is consistent, and an error
// is one line.
func FuzzReadOwn(f *testing.F) {
	for _, text := range append(slices.Clone(recordTexts), patientsCSV, "sep=;\narea;rooms;price\n1,5;2;3\n", "area,rooms,digit\n1.5,2,1\n,,\n1.234,2,4\n", "\xff\xfea\x00") {
		f.Add([]byte(text), uint8(0))
		f.Add([]byte(text), uint8(255))
	}
	schemas := []*Schema{patients(), houses(), digits()}
	f.Fuzz(func(t *testing.T, text []byte, bits uint8) {
		s := schemas[bits%3]
		how := OwnCSV{Header: Header(bits >> 2 & 3 % 3), Decimal: []rune{0, '.', ','}[bits>>4&3%3]}
		if bits&64 != 0 {
			how.Columns = map[string]int{"age": 1, "area": 0, "rooms": 2, "digit": 1}
			how.Aliases = map[string]map[string]string{"digit": {"1": "0"}, "outcome": {"x": "y"}}
		}
		refused := func(err error) {
			if r := (*Refusal)(nil); !errors.As(err, &r) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("refused by %q", err)
			}
		}
		p, err := PreviewOwn(strings.NewReader(string(text)), "x.csv", s, how)
		if err != nil {
			refused(err)
		} else if len(p.Rows) > PreviewRows {
			t.Fatalf("%d rows", len(p.Rows))
		}
		rows, readErr := ReadOwn(iotest.HalfReader(strings.NewReader(string(text))), "x.csv", s, how)
		if readErr != nil {
			refused(readErr)
			return
		}
		if err != nil || !reflect.DeepEqual(p.Found, rows.Found) {
			t.Fatalf("preview %+v, %v; reading %+v", p, err, rows)
		}
		if rows.Count < len(rows.Problems) || rows.Rejected > rows.Count || len(rows.table.labels)+len(rows.table.targets) != rows.Len() {
			t.Fatalf("%d problems, %d listed, in %d rows", rows.Count, len(rows.Problems), rows.Rejected)
		}
		own, err := rows.Own(1, true)
		if err != nil {
			refused(err)
			return
		}
		n := len(s.Table.Numbers())
		c := own.Scaled()
		for k := range c.Mean {
			if math.IsNaN(c.Mean[k]+c.Deviation[k]) || len(c.Mean) != n {
				t.Fatalf("constants %v", c)
			}
		}
		ex, err := own.Train(c)
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, ex.Features()), make([]float32, 1)
		for i := range ex.Len() {
			ex.Fill(x, y, []int32{int32(i)})
		}
	})
}

// table20 is a table of 20 numbers in each row.
func table20(rows int) (*Schema, string) {
	s := &Schema{Table: &TableSchema{Label: Field{Name: "y", Type: CategoryField, Values: []string{"0", "1"}}}}
	var b strings.Builder
	for k := range 20 {
		s.Table.Features = append(s.Table.Features, Field{Name: fmt.Sprintf("x%d", k), Type: NumberField})
		fmt.Fprintf(&b, "x%d,", k)
	}
	b.WriteString("y\n")
	x := uint64(1)
	for range rows {
		for k := range 20 {
			x = x*6364136223846793005 + 1442695040888963407
			switch v := float64(x>>11) / (1 << 53); {
			case k < 5:
				fmt.Fprintf(&b, "%d,", int(v*1000))
			case k < 15:
				fmt.Fprintf(&b, "%.4f,", v*100-50)
			default:
				fmt.Fprintf(&b, "%v,", v)
			}
		}
		fmt.Fprintf(&b, "%d\n", x>>63)
	}
	return s, b.String()
}

func BenchmarkReadOwn(b *testing.B) {
	s, text := table20(10000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if rows, err := ReadOwn(strings.NewReader(text), "x.csv", s, OwnCSV{}); err != nil || rows.Len() != 10000 {
			b.Fatal(rows, err)
		}
	}
}

// Reading takes less than three times the memory of the cells beside a few MiB.
func TestOwnMemory(t *testing.T) {
	const rows, fields = 1 << 17, 21
	s, text := table20(1)
	head, row, _ := strings.Cut(text, "\n")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, peak := m.HeapInuse, uint64(0)
	e := &endless{text: row, n: int64(rows * len(row))}
	got, err := ReadOwn(io.MultiReader(strings.NewReader(head+"\n"), e), "x.csv", s, OwnCSV{Progress: func(int64, int) error {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		return nil
	}})
	if err != nil || got.Len() != rows {
		t.Fatal(err, got.Rejected, got.Problems)
	}
	const limit = 3*8*rows*fields + 16<<20
	if used := peak - before; used > limit {
		t.Errorf("at most %d MB, want less than %d MB", used>>20, limit>>20)
	} else {
		t.Logf("%.1f MB for cells of %.1f MB", float64(used)/1e6, 8*rows*fields/1e6)
	}
}

func TestDate(t *testing.T) {
	for _, s := range []string{"2024-05-31", "2024-5-1", "31.5.2024", "31.05.2024", "5/31/2024", "31/5/2024", "2024/05/31", "31-May-2024", "31-dec-1999", "2024-05-31 12:30:00", "2024-05-31T12:30:00", "2024-05-31T12:30:00Z", "2024-05-31T12:30:00+02:00"} {
		if !date(s) {
			t.Errorf("%s is no date", s)
		}
	}
	for _, s := range []string{"", "x", "1.2.3", "2024", "2024-13-01", "32.1.2024", "1.234.567", "10.0.0.1", "0-1-2024", "2024-05-31 noon", "31-ayj-2024", "+1-+1-2024", "12345-1-1", "a-b-2024"} {
		if date(s) {
			t.Errorf("%s is a date", s)
		}
	}
}
