package ui

import (
	"syscall/js"

	"fedtab/jsvalue"
)

// parseJSON parses text with the browser's parser: encoding/json would make the
// page half a megabyte larger. ok is false if text is no JSON.
func parseJSON(text string) (v any, ok bool) {
	defer func() {
		if recover() != nil {
			v, ok = nil, false
		}
	}()
	return jsvalue.FromJS(js.Global().Get("JSON").Call("parse", text)), true
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
