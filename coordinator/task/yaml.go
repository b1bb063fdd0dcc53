package task

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// YAML returns t as a task file in a canonical form: every field, defaults included,
// in the order of the struct. Equal tasks have equal bytes, and Parse returns an equal
// Task.
//
// The yaml package is not used, so that Hash does not depend on its choice of quotes.
func (t *Task) YAML() []byte {
	var b bytes.Buffer
	writeStruct(&b, reflect.ValueOf(t).Elem(), 0)
	return b.Bytes()
}

func writeStruct(b *bytes.Buffer, v reflect.Value, indent int) {
	for i := range v.NumField() {
		name, omitEmpty := tag(v.Type().Field(i))
		f := v.Field(i)
		if inline(v.Type().Field(i)) {
			if !f.IsNil() {
				writeStruct(b, f.Elem(), indent)
			}
			continue
		}
		if name == "" || omitEmpty && f.IsZero() && !meantZero(v, name) {
			continue
		}
		b.WriteString(strings.Repeat("  ", indent) + name + ":")
		switch {
		case f.Kind() == reflect.Struct && f.IsZero():
			b.WriteString(" {}\n")
		case f.Kind() == reflect.Struct:
			b.WriteByte('\n')
			writeStruct(b, f, indent+1)
		default:
			b.WriteString(" " + formatted(f) + "\n")
		}
	}
}

// inline reports whether a field is an inlined struct.
func inline(f reflect.StructField) bool { return f.Tag.Get("yaml") == ",inline" }

// meantZero reports whether a zero of a section's field is a value, not an unset
// field.
func meantZero(section reflect.Value, field string) bool {
	s, ok := section.Interface().(interface{ uses(field string) bool })
	return ok && s.uses(field)
}

func formatted(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	if t, ok := v.Interface().(Text); ok {
		return t.yaml()
	}
	switch v.Kind() {
	case reflect.String:
		return strconv.QuoteToGraphic(v.String()) // Go's escapes are YAML's
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Float64:
		if math.IsInf(v.Float(), 1) {
			return ".inf"
		}
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Pointer:
		return formatted(v.Elem())
	case reflect.Map:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v.Interface().(map[string]string))) {
			all = append(all, strconv.QuoteToGraphic(key)+": "+formatted(v.MapIndex(reflect.ValueOf(key))))
		}
		return "{" + strings.Join(all, ", ") + "}"
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, formatted(v.Index(i)))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case reflect.Struct: // in a list
		var all []string
		for i := range v.NumField() {
			if name, omitEmpty := tag(v.Type().Field(i)); name != "" && !(omitEmpty && v.Field(i).IsZero()) {
				all = append(all, name+": "+formatted(v.Field(i)))
			}
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	panic(fmt.Sprintf("task: no task file can hold a %v", v.Type()))
}
