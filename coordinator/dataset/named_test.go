package dataset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A table is divided by the values of a column, which is no feature.
func TestByColumn(t *testing.T) {
	var b strings.Builder
	b.WriteString("size,ward,ill\n")
	for i := range 60 { // ward 10 has half of the rows
		ward := []string{"10", "9", "10", "2"}[i%4]
		fmt.Fprintf(&b, "%d,%s,%s\n", i, ward, []string{"yes", "no"}[i%2])
	}
	path := write(t, filepath.Join(t.TempDir(), "x.csv"), []byte(b.String()))
	section := "{source: csv, csv: {path: " + path + ", target: ill, scale: none}, partition: {kind: column, column: ward}, holdout: 0.1}"
	d := opened(t, section)
	if d.Train.Features() != 1 || len(d.Shards) != 3 || d.Train.Len() != 54 {
		t.Fatalf("got %s in %d shards", d.Summary, len(d.Shards))
	}
	seen := 0
	for k, places := range [][]int{{3}, {1}, {0, 2}} { // wards 2, 9 and 10, by value
		for _, i := range d.Shards[k] {
			if size := int(d.Train.Values[i]); !slices.Contains(places, size%4) {
				t.Errorf("client %d has the row of size %d", k, size)
			}
			seen++
		}
	}
	if seen != 54 {
		t.Errorf("%d rows in shards, want 54", seen)
	}
	for _, c := range []struct{ change, to, want string }{
		{"ward}", "town}", `there is no column "town" for groups, want one of size, ward, ill`},
		{"ward}", "ill}", "column 3 (ill) is given for groups and for another use"},
	} {
		fails(t, strings.Replace(section, c.change, c.to, 1), c.want)
	}
	write(t, path, []byte("size,ward,ill\n1,a,yes\n2,,no\n"))
	fails(t, section, `x.csv:3: column 2 (ward) is "", want a text that tells whose the row is`)
	write(t, path, []byte("size,ward,ill\n1,a,yes\n2,a,no\n3,b,no\n4,b,yes\n"))
	d = opened(t, section, "data.holdout=0.5")
	if n := len(d.Shards); n == 1 && (len(d.Notes) == 0 || !strings.Contains(strings.Join(d.Notes, "\n"), "1 values of ward have all their rows in the test set")) {
		t.Errorf("%d clients, notes %q", n, d.Notes)
	}
}

// Examples are divided by the lines of a file.
func TestByFile(t *testing.T) {
	dir, section := fourFiles(t)
	path := filepath.Join(dir, "clients.txt")
	section = strings.Replace(section, "{clients: 2}", "{kind: file, path: "+path+"}", 1)
	write(t, path, packed(t, []byte("ben\nada\nada\n ben \nada\r\ncy\ncy\ncy")))
	d := opened(t, section)
	if want := [][]int32{{1, 2, 4}, {0, 3}, {5, 6, 7}}; !slices.EqualFunc(d.Shards, want, slices.Equal) {
		t.Errorf("shards %v, want %v", d.Shards, want)
	}
	whole := d.Content()
	write(t, path, []byte("ada\nada\nada\nben\nada\ncy\ncy\ncy\n"))
	if opened(t, section).Content() == whole {
		t.Error("another division has the same content")
	}
	for text, want := range map[string]string{
		"1\n2\n":                         "clients.txt has 2 lines, want 8, one for each training example",
		strings.Repeat("1\n", 9):         "clients.txt:9: more than 8 lines, want one for each training example",
		"1\n2\n\n4\n":                    `clients.txt:3: "", want a short text that tells whose example 3 is`,
		"1\n" + strings.Repeat("x", 1e5): "clients.txt:2: a line of more than 65536 bytes",
	} {
		write(t, path, []byte(text))
		fails(t, section, want)
	}
	fails(t, strings.Replace(section, "clients.txt", "none.txt", 1), "data.partition: open ", "no such file or directory (paths are relative to")
}
