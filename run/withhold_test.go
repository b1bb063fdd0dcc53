package run

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/strategy"
)

// fill gives every field of a struct a value that is not zero.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(7e9)
		case reflect.Uint64, reflect.Uint32:
			f.SetUint(7)
		case reflect.Float64:
			f.SetFloat(7)
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Array:
			for k := range f.Len() {
				if e := f.Index(k); e.Kind() == reflect.Struct {
					fill(e)
				} else if e.CanInt() {
					e.SetInt(7)
				} else {
					e.SetUint(7)
				}
			}
		case reflect.Struct:
			if f.Type() == reflect.TypeFor[time.Time]() {
				f.Set(reflect.ValueOf(time.Unix(7, 7)))
			} else {
				fill(f)
			}
		}
	}
}

// named returns the names of the fields that are not zero, or NaN.
func named(v reflect.Value) (names []string) {
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() && !(f.Kind() == reflect.Float64 && f.Float() != f.Float()) {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

// Of a state and a round with noise the named fields are shown, and no others: a new field is
// withheld.
func TestShown(t *testing.T) {
	var s State
	fill(reflect.ValueOf(&s).Elem())
	s.Abandoned = &Abandoned{Round: 3, Times: 2, After: 1234 * time.Millisecond, Reason: "3 of 5 have answered", Few: strategy.Few{Answers: 3, Asked: 5}}
	w := s.shown()
	if got, want := named(reflect.ValueOf(w)), []string{"Withheld", "Phase", "Round", "Version", "Participants", "Began", "Abandoned", "Evaluated", "Spent", "Ledger", "Finished", "Paused", "Halted", "StoreError", "StoreFailed"}; !slices.Equal(got, want) {
		t.Errorf("a state has %v, want %v", got, want)
	}
	if got, want := named(reflect.ValueOf(w.Ledger)), []string{"Abandoned", "RolledBack"}; !slices.Equal(got, want) {
		t.Errorf("a ledger has %v, want %v", got, want)
	}
	if want := (Abandoned{Round: 3, Times: 2, After: time.Second, Reason: withheldReason}); *w.Abandoned != want {
		t.Errorf("an attempt is shown as %+v, want %+v", *w.Abandoned, want)
	}

	var r RoundRecord
	fill(reflect.ValueOf(&r).Elem())
	r.Test, r.Opened, r.Committed = &learn.Figures{}, time.UnixMilli(10_900), time.UnixMilli(12_003)
	shown := r.Shown()
	if got, want := named(reflect.ValueOf(shown)), []string{"Round", "Test", "Validation", "Rate", "Opened", "Committed", "Hash", "Spent"}; !slices.Equal(got, want) {
		t.Errorf("a round has %v, want %v", got, want)
	}
	if !shown.Opened.Equal(time.Unix(10, 0)) || !shown.Committed.Equal(time.Unix(11, 0)) {
		t.Errorf("opened %v, committed %v, want whole seconds, and the round's length", shown.Opened, shown.Committed)
	}
	r.Spent = nil
	if got := r.Shown(); !reflect.DeepEqual(got, r) {
		t.Error("a round without noise is not shown as it is")
	}
}

// Whether one is connected is shown, and not whether it has an order.
func TestShownPresent(t *testing.T) {
	for a := range Activity(Activities) {
		want := Present{Number: 4, Activity: Waiting}
		if a == Pausing || a == Away {
			want.Activity = a
		}
		if got := (Present{Number: 4, Activity: a, Rate: 10, Owed: 2}).shown(); got != want {
			t.Errorf("%v: %+v, want %+v", a, got, want)
		}
	}
}
