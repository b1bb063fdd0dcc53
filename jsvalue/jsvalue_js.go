package jsvalue

import "syscall/js"

// FromJS copies a plain JavaScript value, as JSON.parse or postMessage makes
// them, into Go: nil, bool, float64, string, []any and map[string]any.
// Whatever else it meets becomes nil.
func FromJS(v js.Value) any {
	switch v.Type() {
	case js.TypeBoolean:
		return v.Bool()
	case js.TypeNumber:
		return v.Float()
	case js.TypeString:
		return v.String()
	case js.TypeObject:
		if js.Global().Get("Array").Call("isArray", v).Bool() {
			list := make([]any, v.Length())
			for i := range list {
				list[i] = FromJS(v.Index(i))
			}
			return list
		}
		keys := js.Global().Get("Object").Call("keys", v)
		m := make(map[string]any, keys.Length())
		for i := range keys.Length() {
			k := keys.Index(i).String()
			m[k] = FromJS(v.Get(k))
		}
		return m
	}
	return nil
}
