package data

import (
	"slices"
	"strings"
	"testing"
)

// The column of groups is no feature; rows without a group are refused or dropped.
func TestGroup(t *testing.T) {
	const text = "who,x,y\nada,1,a\n ben ,2,b\n,3,a\nada,4,b\n"
	cfg := CSV{Target: "y", Group: "who", Missing: DropMissing}
	table, err := ReadCSV(strings.NewReader(text), "t.csv", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ada", "ben", "ada"}; !slices.Equal(table.Groups, want) || table.Len() != 3 || table.Dropped != 1 || len(table.Columns) != 1 {
		t.Errorf("groups %q of %d rows and %d columns, %d dropped; want %q", table.Groups, table.Len(), len(table.Columns), table.Dropped, want)
	}
	for _, missing := range []Missing{RefuseMissing, FillMean} {
		cfg.Missing = missing
		if _, err := ReadCSV(strings.NewReader(text), "t.csv", cfg); err == nil || !strings.Contains(err.Error(), `t.csv:4: column 1 (who) is "", want a text that tells whose the row is (rows without one can only be dropped)`) {
			t.Errorf("missing %d: %v", missing, err)
		}
	}
	cfg = CSV{Target: "y", Group: "who"}
	long := "who,x,y\n" + strings.Repeat("w", MaxText+1) + ",1,a\n"
	if _, err := ReadCSV(strings.NewReader(long), "t.csv", cfg); err == nil || !strings.Contains(err.Error(), "want a short text that tells whose the row is") {
		t.Errorf("a long name: %v", err)
	}
}
