// Package fields turns structs into plain maps and back, by their json tags. The
// page and its worker use it in place of encoding/json, with JavaScript's own
// parser and structured clone: what they link is the same for every struct.
package fields

import (
	"reflect"
	"strings"
)

// Map returns the fields of a struct (numbers, strings, booleans, structs, pointers to
// them and slices of them) by name. Its values are those that syscall/js takes.
func Map(from any) map[string]any { return mapOf(reflect.ValueOf(from)) }

func mapOf(v reflect.Value) map[string]any {
	m := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		m[name(v.Type().Field(i))] = plain(v.Field(i))
	}
	return m
}

// plain returns a value as syscall/js takes it.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int64:
		return v.Int()
	case reflect.Float64:
		return v.Float()
	case reflect.Struct:
		return mapOf(v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	}
	panic("fields: " + v.Kind().String() + " is not supported")
}

// Fill sets the struct that to points to from a decoded JSON object: nil, bool,
// float64, string, []any and map[string]any. A field that is missing, or of another
// type, becomes zero.
func Fill(to any, from map[string]any) { fillStruct(reflect.ValueOf(to).Elem(), from) }

func name(f reflect.StructField) string {
	n, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return n
}

func fillStruct(to reflect.Value, from map[string]any) {
	for i := range to.NumField() {
		f := to.Type().Field(i)
		if f.Anonymous {
			fillStruct(to.Field(i), from)
			continue
		}
		fill(to.Field(i), from[name(f)])
	}
}

func fill(to reflect.Value, from any) {
	to.SetZero()
	switch to.Kind() {
	case reflect.String:
		s, _ := from.(string)
		to.SetString(s)
	case reflect.Bool:
		b, _ := from.(bool)
		to.SetBool(b)
	case reflect.Int, reflect.Int64:
		f, _ := from.(float64)
		to.SetInt(int64(f))
	case reflect.Float64:
		f, _ := from.(float64)
		to.SetFloat(f)
	case reflect.Struct:
		m, _ := from.(map[string]any)
		fillStruct(to, m)
	case reflect.Pointer: // to a number that may be unknown, or to a struct
		_, number := from.(float64)
		_, object := from.(map[string]any)
		if elem := to.Type().Elem(); number && elem.Kind() == reflect.Float64 || object && elem.Kind() == reflect.Struct {
			to.Set(reflect.New(elem))
			fill(to.Elem(), from)
		}
	case reflect.Slice:
		if list, ok := from.([]any); ok {
			to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
			for i, v := range list {
				fill(to.Index(i), v)
			}
		}
	case reflect.Map: // by string
		m, ok := from.(map[string]any)
		if !ok {
			return
		}
		to.Set(reflect.MakeMapWithSize(to.Type(), len(m)))
		for k, v := range m {
			e := reflect.New(to.Type().Elem()).Elem()
			fill(e, v)
			to.SetMapIndex(reflect.ValueOf(k), e)
		}
	default:
		panic("fields: " + to.Kind().String() + " is not supported")
	}
}
