package main

import "syscall/js"

// fromJS copies a plain JavaScript value, as JSON.parse or postMessage makes
// them, into Go: nil, bool, float64, string, []any and map[string]any.
// Whatever else it meets becomes nil.
func fromJS(v js.Value) any {
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
				list[i] = fromJS(v.Index(i))
			}
			return list
		}
		keys := js.Global().Get("Object").Call("keys", v)
		m := make(map[string]any, keys.Length())
		for i := range keys.Length() {
			k := keys.Index(i).String()
			m[k] = fromJS(v.Get(k))
		}
		return m
	}
	return nil
}

// parseJSON parses text with the browser's parser: encoding/json would make the
// page half a megabyte larger. ok is false if text is no JSON.
func parseJSON(text string) (v any, ok bool) {
	defer func() {
		if recover() != nil {
			v, ok = nil, false
		}
	}()
	return fromJS(js.Global().Get("JSON").Call("parse", text)), true
}

// message reads what an event carries in its data: a string of JSON.
func eventObject(event js.Value) (map[string]any, bool) {
	v, ok := parseJSON(event.Get("data").String())
	m, isObject := v.(map[string]any)
	return m, ok && isObject
}

// listen calls f with every event of a kind, for as long as the page lives.
func listen(target js.Value, kind string, f func(event js.Value)) {
	target.Call("addEventListener", kind, js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	}))
}
