package data

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// small has a number, a category and a class.
const small = "age,colour,vote\n31,red,yes\n42,blue,no\n5.5,red,yes\n"

var (
	colour    = []Category{{Column: "colour"}}
	smallCSV  = CSV{Target: "vote", Categorical: colour}
	wantCells = []float64{31, 1, 42, 0, 5.5, 1}
)

func read(t *testing.T, text string, cfg CSV) *Table {
	t.Helper()
	// Short reads, as from a network or a gzip reader.
	got, err := ReadCSV(iotest.HalfReader(strings.NewReader(text)), "x.csv", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// flat returns the cells of a table, row-major.
func flat(t *Table) []float64 { return slices.Concat(t.cells.blocks...) }

func TestReadCSV(t *testing.T) {
	for _, c := range []struct {
		name, text string
		cfg        CSV
	}{
		{"plain", small, smallCSV},
		{"by number", small, CSV{Target: "3", Categorical: []Category{{Column: "2"}}}},
		{"CRLF", strings.ReplaceAll(small, "\n", "\r\n"), smallCSV},
		{"byte order mark", "\xef\xbb\xbf" + small, smallCSV},
		{"no last line end", strings.TrimSuffix(small, "\n"), smallCSV},
		{"empty lines", "\n" + strings.ReplaceAll(small, "\n", "\n\n"), smallCSV},
		{"spaces", strings.ReplaceAll(small, ",", " , "), smallCSV},
		{"semicolons", strings.ReplaceAll(small, ",", ";"), smallCSV},
		{"tabs", strings.ReplaceAll(small, ",", "\t"), smallCSV},
		{"told separator", strings.ReplaceAll(small, ",", "|"), CSV{Target: "vote", Categorical: colour, Separator: '|'}},
		{"quotes", "\"age\",\"colour\",\"vote\"\n\"31\",\"red\",\"yes\"\n\"42\",\"blue\",no\n5.5,red,yes\n", smallCSV},
		{"decimal comma", strings.ReplaceAll(strings.ReplaceAll(small, ",", ";"), "5.5", "5,5"), smallCSV},
		{"decimal comma in quotes", strings.ReplaceAll(small, "5.5", `"5,5"`), smallCSV},
		{"told decimal comma", strings.ReplaceAll(strings.ReplaceAll(small, ",", ";"), "5.5", "5,500"), CSV{Target: "vote", Categorical: colour, Decimal: ','}},
		{"exponents", strings.ReplaceAll(strings.ReplaceAll(small, "31", "+3.1e1"), "42", ".42E+2"), smallCSV},
		{"told categories", small, CSV{Target: "vote", Categorical: []Category{{"colour", []string{"blue", "red"}}}, Classes: []string{"no", "yes"}}},
		{"UTF-16", string(utf16Of(small, binary.LittleEndian, true)), smallCSV},
		{"UTF-16, big end first", string(utf16Of(small, binary.BigEndian, true)), smallCSV},
		{"UTF-16 without a mark", string(utf16Of(small, binary.LittleEndian, false)), smallCSV},
		{"UTF-16, big end first, without a mark", string(utf16Of(small, binary.BigEndian, false)), smallCSV},
		{"ignored column", "id,age,colour,vote\nx,31,red,yes\ny,42,blue,no\n\xff,5.5,red,yes\n", CSV{Target: "vote", Categorical: colour, Ignore: []string{"id"}}},
		{"size known", small, CSV{Target: "vote", Categorical: colour, Size: int64(len(small))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, c.text, c.cfg)
			want := []Column{{Name: "age"}, {"colour", []string{"blue", "red"}}}
			if !reflect.DeepEqual(got.Columns, want) || got.Target != "vote" || !slices.Equal(got.Classes, []string{"no", "yes"}) {
				t.Errorf("columns are %v, target %q of classes %v", got.Columns, got.Target, got.Classes)
			}
			if !slices.Equal(flat(got), wantCells) || !slices.Equal(got.labels, []uint8{1, 0, 1}) || got.Len() != 3 {
				t.Errorf("cells are %v, labels %v, %d rows", flat(got), got.labels, got.Len())
			}
		})
	}
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name, text string
		header     Header
		names      []string
		rows       int
	}{
		{"detected", "a,b,c\n1,2,3\n", DetectHeader, []string{"a", "b"}, 1},
		{"a number in the first line", "1,x,3\n1,2,3\n", DetectHeader, []string{"1", "2"}, 2},
		{"a missing value in the first line", "a,?,3\n1,2,3\n", DetectHeader, []string{"1", "2"}, 2},
		{"a decimal comma in the first line", "a;x;3,5\n1;2;3,5\n", DetectHeader, []string{"1", "2"}, 2},
		{"told present", "1996,2000,c\n1,2,3\n", HeaderPresent, []string{"1996", "2000"}, 1},
		{"told absent", "a,b,c\n1,2,3\n", HeaderAbsent, []string{"1", "2"}, 2},
		{"names missing", ",b,\n1,2,3\n", HeaderPresent, []string{"1", "b"}, 1},
		{"pandas' index without a name", ",b,c\n0,2,x\n1,2,y\n", DetectHeader, []string{"1", "b"}, 2},
		{"a separator after the last name", "a,b,c,\n1,2,x,0\n1,2,y,0\n", DetectHeader, []string{"a", "b", "4"}, 2},
		{"an empty field among values", ",red,no\n1,blue,yes\n2,red,no\n", DetectHeader, []string{"1", "2"}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, c.text, CSV{Target: "3", Header: c.header, Missing: FillMean, Categorical: []Category{{Column: "1"}, {Column: "2"}}})
			var names []string
			for _, col := range got.Columns {
				names = append(names, col.Name)
			}
			if !slices.Equal(names, c.names) || got.Len() != c.rows {
				t.Errorf("got %d rows of %q, want %d of %q", got.Len(), names, c.rows, c.names)
			}
		})
	}
}

// The separator is detected from whole rows, even if the sample ends inside a long
// field.
func TestSeparatorOfLongFields(t *testing.T) {
	row := "1;\"" + strings.Repeat("a, b\n", 1200) + "\";yes\n"
	got := read(t, "n;text;y\n"+strings.Repeat(row, 20)+"2;;no\n", CSV{Target: "y", Ignore: []string{"text"}})
	if got.Len() != 21 || got.Target != "y" {
		t.Errorf("%d rows, target %q", got.Len(), got.Target)
	}
	if rows := firstRows([]byte("1;2\n\"3\"4;5\n6;7\n"), ';'); rows != nil {
		t.Errorf("a quote inside a field: got %q, want no rows", rows)
	}
}

func TestClassesAreSorted(t *testing.T) {
	got := read(t, "x,y\n1,10\n1,9\n1,-1\n", CSV{Target: "y"})
	if want := []string{"-1", "9", "10"}; !slices.Equal(got.Classes, want) || !slices.Equal(got.labels, []uint8{2, 1, 0}) {
		t.Errorf("classes are %q, labels %v, want %q, [2 1 0]", got.Classes, got.labels, want)
	}
	got = read(t, "x,y\n1,yes\n1,9\n1,10\n", CSV{Target: "y", Header: HeaderPresent})
	if want := []string{"10", "9", "yes"}; !slices.Equal(got.Classes, want) {
		t.Errorf("classes are %q, want %q", got.Classes, want)
	}
}

func TestMissing(t *testing.T) {
	const text = "a,b,y\n1,x,0\n?,x,1\n3,NA,0\nnan,y,1\n8,x,1\n,n/a,0\n1,x,Null\n"
	cfg := CSV{Target: "y", Categorical: []Category{{Column: "b"}}, Missing: DropMissing}
	if got := read(t, text, cfg); got.Len() != 2 || got.Dropped != 5 || got.Missing != 0 {
		t.Errorf("%d rows, %d dropped, %d values missing, want 2, 5, 0", got.Len(), got.Dropped, got.Missing)
	}
	cfg.Missing = FillMean
	got := read(t, strings.TrimSuffix(text, "1,x,Null\n"), cfg)
	if got.Len() != 6 || got.Missing != 5 {
		t.Errorf("%d rows, %d values missing, want 6, 5", got.Len(), got.Missing)
	}
	// A listed category may have the name of a missing value.
	cfg = CSV{Target: "y", Categorical: []Category{{"b", []string{"NA", "x"}}}}
	if got := read(t, "a,b,y\n1,NA,0\n2,x,1\n", cfg); !slices.Equal(flat(got), []float64{1, 0, 2, 1}) {
		t.Errorf("cells are %v", flat(got))
	}
}

func TestReadCSVRefuses(t *testing.T) {
	many := strings.Repeat("1,2\n", 300)
	var classes strings.Builder
	for i := range 300 {
		fmt.Fprintf(&classes, "1,%d\n", i)
	}
	for _, c := range []struct {
		name, text string
		cfg        CSV
		is         error
		want       string
	}{
		{"empty", "", CSV{}, ErrFormat, "x.csv is empty"},
		{"only empty lines", "\n\n\r\n", CSV{}, ErrFormat, "x.csv is empty"},
		{"header alone", "a,b\n", CSV{Target: "b"}, ErrFormat, "x.csv has a line of names and no rows"},
		{"text in a number", "a,b\n1,2\nx,3\n", CSV{Target: "b"}, ErrFormat, `x.csv:3: column 1 (a) is "x", want a number (a column of texts`},
		{"text in a target", "a,b\n1,2\n1,x\n", CSV{Target: "b", Values: true}, ErrFormat, `x.csv:3: column 2 (b) is "x", want a number, or the target told to be a class`},
		{"long value", "a,b\n" + strings.Repeat("é", 100) + ",1\n", CSV{Target: "b"}, ErrFormat, `x.csv:2: column 1 (a) is "` + strings.Repeat("é", 20) + `"..., want`},
		{"no names", "1,2\nx,3\n", CSV{Target: "2"}, ErrFormat, `x.csv:2: column 1 is "x"`},
		{"lines in quotes", "a,b,c\n\"1\n\n\",2,3\n\"1\n\n\",x,3\n", CSV{Target: "3"}, ErrFormat, `x.csv:5: column 2 (b) is "x"`},
		{"infinity", "a,b\ninf,1\n", CSV{Target: "b"}, ErrFormat, `column 1 (a) is "inf"`},
		{"hexadecimal", "a,b\n0x10,1\n", CSV{Target: "b"}, ErrFormat, `column 1 (a) is "0x10"`},
		{"beyond binary64", "a,b\n1e999,1\n", CSV{Target: "b"}, ErrFormat, `column 1 (a) is "1e999"`},
		{"beyond binary32", "a,b\n-4e38,1\n", CSV{Target: "b"}, ErrFormat, `column 1 (a) is "-4e38", want a number of at most 3.4e38`},
		{"thousands", "a;b\n1,234;1\n", CSV{Target: "b"}, ErrFormat, `x.csv:2: column 1 (a) is "1,234": no other number tells whether that is 1234 or 1.234, want to be told the decimal sign, point or comma`},
		{"a point that may separate thousands", "a;b\n999;1\n12.345;1\n", CSV{Target: "b"}, ErrFormat, `x.csv:3: column 1 (a) is "12.345": no other number tells whether that is 12.345 or 12345`},
		{"groups of two", "a;b\n1,23,456;1\n", CSV{Target: "b", Decimal: '.'}, ErrFormat, `x.csv:2: column 1 (a) is "1,23,456", want a number`},
		{"comma and point", "a;b\n1,5;1\n1.5;2\n", CSV{Target: "b"}, ErrFormat, `x.csv:2: column 1 (a) is "1,5", want a number with a decimal point`},
		{"point after commas", "a;b\n1,5;1\n1.5;2\n", CSV{Target: "b", Decimal: ','}, ErrFormat, `x.csv:3: column 1 (a) is "1.5", want a number, with a decimal comma`},
		{"missing", "a,b\n1,2\n,3\n", CSV{Target: "b"}, ErrFormat, `x.csv:3: column 1 (a) is "", want a value`},
		{"missing target", "a,b\n1,?\n", CSV{Target: "b", Missing: FillMean}, ErrFormat, `x.csv:2: column 2 (b) is "?", want a value (rows without their target`},
		{"all dropped", "a,b\n,2\n,3\n", CSV{Target: "b", Missing: DropMissing}, ErrFormat, "a value is missing in each of the 2 rows"},
		{"short row", "a,b\n1,2\n\n3\n", CSV{Target: "b"}, ErrFormat, "x.csv:4: 1 fields, want 2 as in line 1"},
		{"long row", "a,b\n1,2,3\n", CSV{Target: "b"}, ErrFormat, "x.csv:2: 3 fields, want 2 as in line 1"},
		{"bare quote", "a,b\n1,2\n1\"2,3\n", CSV{Target: "b"}, ErrFormat, `x.csv:3: byte 2: a quote inside a field`},
		{"open quote", "a,b\n1,2\n\"3,4\n5,6\n", CSV{Target: "b"}, ErrFormat, `a quote that is not closed, or not followed by a separator (the row begins in line 3)`},
		{"no such column", "a,b\n1,2\n", CSV{Target: "c"}, ErrFormat, `x.csv: there is no column "c" for the target, want one of a, b, or a number from 1 to 2`},
		{"no header", "a,3,y\n1,2,x\n", CSV{Target: "y"}, ErrFormat, `x.csv: there is no column "y" for the target, want a number from 1 to 3: no header was recognised, because line 1 has "3" in column 2 (header: present takes that line for one)`},
		{"header absent", "a,b,y\n1,2,x\n", CSV{Target: "y", Header: HeaderAbsent}, ErrFormat, `x.csv: there is no column "y" for the target, want a number from 1 to 3: header: absent is set`},
		{"no number of the columns", "1,2,3\n", CSV{Target: "4"}, ErrFormat, `no column "4" for the target, want a number from 1 to 3`},
		{"nothing but empty fields", ",,\n1,2,3\n", CSV{Target: "3"}, ErrFormat, `x.csv:1: column 1 is "", want a value`},
		{"separators after the rows", "a,y,\n1,x,\n", CSV{Target: "y"}, ErrFormat, `x.csv:2: column 3 is "", want a value (the column has no name; it can be ignored)`},
		{"no such number", "a,b\n1,2\n", CSV{Target: "3"}, ErrFormat, `no column "3"`},
		{"no target", "a,b\n1,2\n", CSV{}, ErrFormat, `no column "" for the target`},
		{"ignored target", "a,b\n1,2\n", CSV{Target: "b", Ignore: []string{"b"}}, ErrFormat, "column 2 (b) is given for ignore and for another use, want one use"},
		{"one column", "a\n1\n", CSV{Target: "a"}, ErrFormat, "no column is left beside the target"},
		{"same name", "a,b,a\n1,2,3\n", CSV{Target: "b"}, ErrFormat, `x.csv:1: columns 1 and 3 are both called "a"`},
		{"unknown category", "a,b\nred,2\n", CSV{Target: "b", Categorical: []Category{{"a", []string{"blue", "green"}}}}, ErrFormat, `x.csv:2: column 1 (a) is "red", want one of blue, green`},
		{"unknown class", "a,b\n1,maybe\n", CSV{Target: "b", Classes: []string{"no", "yes"}}, ErrFormat, `x.csv:2: column 2 (b) is "maybe", want one of no, yes`},
		{"class twice", "a,b\n1,no\n", CSV{Target: "b", Classes: []string{"no", "no"}}, ErrFormat, `column 2 (b) is to hold "no" twice`},
		{"many classes", classes.String(), CSV{Target: "2"}, ErrFormat, `x.csv:257: column 2 is "256", want at most 256 different classes`},
		{"UTF-8 that is broken later", "a,b\n1,n\u00e3o\n" + strings.Repeat("1,no\n", sampleSize) + "1,n\xe3o\n", CSV{Target: "b"}, ErrFormat, `x.csv:65539: column 2 (b) is "n\xe3o", want text in UTF-8`},
		{"UTF-16 of nothing", "\xff\xfe", CSV{Target: "b"}, ErrFormat, "x.csv is empty"},
		{"binary", "a,b\n1,2\n\x00,1\n", CSV{Target: "b"}, ErrFormat, "x.csv:3: has a zero byte"},
		{"spreadsheet", "PK\x03\x04rest", CSV{Target: "b"}, ErrFormat, "spreadsheet"},
		{"CR alone", "a,b\r1,2\r3,4\r", CSV{Target: "b"}, ErrFormat, "x.csv:1: lines end in CR alone"},
		{"separator", "a,b\n", CSV{Target: "b", Separator: '"'}, ErrFormat, "separator"},
		{"rows", many, CSV{Target: "2", Limits: Limits{Rows: 200, Columns: 9, Values: 999, Record: 100}}, ErrTooLarge, "x.csv:201: more than 200 rows"},
		{"columns", "1,2,3\n", CSV{Target: "2", Limits: Limits{Rows: 200, Columns: 2, Values: 999, Record: 100}}, ErrTooLarge, "x.csv:1: 3 columns, want at most 2"},
		{"values", many, CSV{Target: "2", Limits: Limits{Rows: 999, Columns: 9, Values: 250, Record: 100}}, ErrTooLarge, "x.csv:251: 251 rows of 1 values each, want at most 250 values"},
		{"size", strings.Repeat(many, 4), CSV{Target: "2", Size: 4 << 30}, ErrTooLarge, "x.csv has 4294967296 bytes, which makes about 1073741824 rows of 1 values each"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadCSV(strings.NewReader(c.text), "x.csv", c.cfg)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %v with %s", err, c.is, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
	broken := errors.New("broken pipe")
	if _, err := ReadCSV(iotest.ErrReader(broken), "x.csv", CSV{}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if _, err := ReadCSV(io.MultiReader(strings.NewReader(strings.Repeat(many, 99)), iotest.ErrReader(broken)), "x.csv", CSV{Target: "2"}); !errors.Is(err, broken) {
		t.Errorf("in the middle: got %v, want %v", err, broken)
	}
}

// endless repeats text for n bytes and counts the bytes read.
type endless struct {
	text string
	n    int64
	read int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= e.n {
		return 0, io.EOF
	}
	n := copy(p, e.text[int(e.read)%len(e.text):])
	e.read += int64(n)
	return n, nil
}

// utf16Of returns text in UTF-16.
func utf16Of(text string, order binary.AppendByteOrder, mark bool) (b []byte) {
	if mark {
		text = "\ufeff" + text
	}
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

func mustText(t *testing.T, encoded string) io.Reader {
	t.Helper()
	r, err := utf8Reader(bufio.NewReaderSize(strings.NewReader(encoded), sampleSize), "x.csv")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Texts come out the same from every encoding, wherever the first letter beyond ASCII
// is.
func TestEncodings(t *testing.T) {
	for _, before := range []int{0, 1, sampleSize/5 - 1, sampleSize / 5, sampleSize} {
		text := "größe,b\n" + strings.Repeat("1,no\n", before) + "2,n\u00e3o €\n"
		if before > 0 {
			text = strings.Replace(text, "größe", "groesse", 1)
		}
		latin, err := charmap.Windows1252.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		want := read(t, text, CSV{Target: "b"})
		if want.Classes[len(want.Classes)-1] != "n\u00e3o €" {
			t.Fatalf("classes %q", want.Classes)
		}
		for name, encoded := range map[string]string{
			"Windows-1252": latin, "UTF-8 with a mark": "\ufeff" + text, "UTF-16": string(utf16Of(text, binary.LittleEndian, true)),
		} {
			if err := iotest.TestReader(mustText(t, encoded), []byte(text)); err != nil {
				t.Errorf("%s, %d rows before: %v", name, before, err)
			}
			if got := read(t, encoded, CSV{Target: "b"}); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %d rows before: columns %v, classes %q, %d rows, want %v, %q, %d", name, before, got.Columns, got.Classes, got.Len(), want.Columns, want.Classes, want.Len())
			}
		}
	}
}

// Characters of two numbers, halves of them, and a last number that is cut.
func TestSurrogates(t *testing.T) {
	for encoded, want := range map[string]string{
		string(utf16Of("a\U0001f600b", binary.BigEndian, true)): "a\U0001f600b",
		"\xff\xfea\x00\x3d\xd8b\x00":                            "a\ufffdb",
		"\xff\xfea\x00\x00\xdeb\x00c":                           "a\ufffdb\ufffd",
	} {
		if got, err := io.ReadAll(mustText(t, encoded)); string(got) != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", encoded, got, err, want)
		}
	}
}

// Numbers as spreadsheets write them.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text         string
		point, comma float64 // by the decimal sign; NaN: no number
	}{
		{"12", 12, 12}, {"-0.5", -.5, math.NaN()}, {"0,5", math.NaN(), .5}, {"1e3", 1000, 1000}, {"+1.5E-2", .015, math.NaN()},
		{"12.345", 12.345, 12345}, {"1,234", 1234, 1.234}, {"1.234,5", math.NaN(), 1234.5}, {"1,234.5", 1234.5, math.NaN()},
		{"1.234.567", math.NaN(), 1234567}, {"-1,234,567.25", -1234567.25, math.NaN()}, {"1 234.5", 1234.5, math.NaN()}, {"1 234", 1234, 1234},
		{"1\u00a0234,5", math.NaN(), 1234.5}, {"1\u202f234", 1234, 1234}, {"1'234.5", 1234.5, math.NaN()}, {"1\u2019234", 1234, 1234},
		{"12%", .12, .12}, {"12.5 %", .125, math.NaN()}, {"-3,5%", math.NaN(), -.035}, {".5", .5, math.NaN()}, {"5.", 5, math.NaN()},
		{"1,23", math.NaN(), 1.23}, {"1,2345", math.NaN(), 1.2345}, {"0.123", .123, math.NaN()}, {"1234,567", math.NaN(), 1234.567},
		{"", math.NaN(), math.NaN()}, {"-", math.NaN(), math.NaN()}, {"%", math.NaN(), math.NaN()}, {"NaN", math.NaN(), math.NaN()},
		{"Inf", math.NaN(), math.NaN()}, {"0x10", math.NaN(), math.NaN()}, {"1_000", math.NaN(), math.NaN()}, {"1,,234", math.NaN(), math.NaN()},
		{",234", math.NaN(), .234}, {"1 23", math.NaN(), math.NaN()}, {"12 34 56", math.NaN(), math.NaN()}, {"1.234,567,8", math.NaN(), math.NaN()},
		{"2024-05-01", math.NaN(), math.NaN()}, {"01.05.2024", math.NaN(), math.NaN()}, {"1,234e3", 1234000, 1234}, {"12%%", math.NaN(), math.NaN()},
		{"1 234,567.8", math.NaN(), math.NaN()}, {"10 kg", math.NaN(), math.NaN()}, {"e5", math.NaN(), math.NaN()}, {"1.5.2", math.NaN(), math.NaN()},
	} {
		for sign, want := range map[rune]float64{'.': c.point, ',': c.comma} {
			got, ok := parseNumber(c.text, sign)
			if ok == math.IsNaN(want) || ok && math.Abs(got-want) > 1e-12*math.Abs(want) {
				t.Errorf("%q with decimal sign %c is %v, %v, want %v", c.text, sign, got, ok, want)
			}
		}
	}
}

// A file of 4 GB is refused early and without buffering it: a row that never ends,
// a quote that is not closed, or a size above the limit.
func TestEndlessCSV(t *testing.T) {
	const size = 4 << 30
	for _, c := range []struct {
		name string
		head string
		text string
		cfg  CSV
		want string
	}{
		{"no line end", "a,b\n", "1", CSV{Target: "b"}, "x.csv:2: a row is longer than 1048576 bytes"},
		{"quote never closed", "a,b\n1,2\n\"", "1,2\n", CSV{Target: "b"}, "x.csv:3: a row is longer"},
		{"by its size", "a,b\n", "1,2\n", CSV{Target: "b", Size: size}, "x.csv has 4294967296 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &endless{text: c.text, n: size}
			allocated := testing.AllocsPerRun(1, func() {
				e.read = 0
				_, err := ReadCSV(io.MultiReader(strings.NewReader(c.head), e), "x.csv", c.cfg)
				if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want ErrTooLarge with %s", err, c.want)
				}
			})
			if e.read > 4<<20 || allocated > 5000 {
				t.Errorf("read %d bytes and allocated %v times before refusing", e.read, allocated)
			}
		})
	}
}

// The limit is per row.
func TestManyShortRows(t *testing.T) {
	limits := DefaultLimits
	limits.Record = 100
	text := strings.Repeat("1,2\n", 10000) + strings.Repeat("0", 90) + ",2\n"
	if tab := read(t, text, CSV{Target: "2", Limits: limits}); tab.Len() != 10001 {
		t.Errorf("%d rows, want 10001", tab.Len())
	}
}

// A row takes one allocation, by encoding/csv.
func TestReadCSVAllocates(t *testing.T) {
	const rows = 20000
	text := strings.Repeat("12,0.25,red,1\n", rows)
	cfg := CSV{Target: "4", Categorical: []Category{{Column: "3"}}}
	n := testing.AllocsPerRun(1, func() {
		if _, err := ReadCSV(strings.NewReader(text), "x.csv", cfg); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1.2*rows {
		t.Errorf("%v allocations for %d rows", n, rows)
	}
}

func BenchmarkReadCSV(b *testing.B) {
	text := strings.Repeat("12,0.25,-3.125e2,red,17,1\n", 40000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := ReadCSV(strings.NewReader(text), "x.csv", CSV{Target: "6", Categorical: []Category{{Column: "4"}}}); err != nil {
			b.Fatal(err)
		}
	}
}

// An accepted table is consistent: its cells are rows times columns, categories and
// labels are in range, numbers are finite, and so are the sets made of it. An error
// is one line and wraps a sentinel. testdata has the seeds.
func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(small), "vote", "colour", uint8(0))
	files, _ := filepath.Glob("testdata/*.csv")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, bits := range []uint8{0, 7, 18, 8 | 128, 16 | 64} {
			f.Add(text, "3", "2", bits)
			f.Add(text, "1", "", bits)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, target, category string, bits uint8) {
		cfg := CSV{
			Target: target, Values: bits&1 != 0, Header: Header(bits >> 1 & 3 % 3), Missing: Missing(bits >> 3 & 3),
			Limits: Limits{Rows: 500, Columns: 50, Values: 5000, Record: 1000},
		}
		if category != "" {
			cfg.Categorical = []Category{{Column: category}}
		}
		if bits&32 != 0 {
			cfg.Size = int64(len(text))
		}
		tab, err := ReadCSV(strings.NewReader(string(text)), "x.csv", cfg)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooLarge) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("refused by %q", err)
			}
			return
		}
		n := tab.Len()
		if n == 0 || n > 500 || len(flat(tab)) != n*len(tab.Columns) || len(tab.labels)+len(tab.targets) != n {
			t.Fatalf("%d rows, %d columns, %d cells, %d labels, %d targets", n, len(tab.Columns), len(flat(tab)), len(tab.labels), len(tab.targets))
		}
		for i, v := range flat(tab) {
			col := tab.Columns[i%len(tab.Columns)]
			switch {
			case math.IsNaN(v) && cfg.Missing >= FillMean:
			case col.Categories != nil && (v < 0 || int(v) >= len(col.Categories)), math.IsNaN(v), math.Abs(v) > math.MaxFloat32:
				t.Fatalf("cell %d is %v", i, v)
			}
		}
		for _, y := range tab.labels {
			if int(y) >= len(tab.Classes) {
				t.Fatalf("label %d of %d classes", y, len(tab.Classes))
			}
		}
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		p, err := tab.Prepare(all, nil, Preparation{Standardise: bits&64 != 0, DropConstant: bits&128 != 0})
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("refused by %q", err)
			}
			return
		}
		if p.Train.Len() != n || p.Train.Features() != len(p.Encoding.Features()) || p.Test.Len() != 0 {
			t.Fatalf("%d rows of %d features, %d to test", p.Train.Len(), p.Train.Features(), p.Test.Len())
		}
	})
}
