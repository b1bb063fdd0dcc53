package organiser

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall/js"
	"time"

	"fedtab/ui/draw"
)

// unreachable is what a question fails with that has no answer.
const unreachable = "The coordinator cannot be reached. This page tries again by itself."

// service asks the API. Its answers are taken in by the loop.
type service struct {
	loop *draw.Loop
}

// ask sends a request whose body is v as JSON, or v itself if it is a js.Value; nil has
// none. take gets the answer.
func ask[T any](s service, method, path string, v any, take func(T, error)) {
	go func() {
		var answer T
		b, _, err := s.request(method, path, v, nil)
		if err == nil && len(b) > 0 {
			err = json.Unmarshal(b, &answer)
		}
		s.loop.Do(func() { take(answer, err) })
	}()
}

// get asks for something.
func get[T any](s service, path string, take func(T, error)) { ask(s, "GET", path, nil, take) }

// request returns the body of an answer, and its entity tag. It waits: the loop must not call it.
func (s service) request(method, path string, v any, headers map[string]any) (body []byte, tag string, err error) {
	options := map[string]any{"method": method, "cache": "no-store"}
	if headers == nil {
		headers = map[string]any{}
	}
	switch v := v.(type) {
	case nil:
	case js.Value:
		options["body"] = v
		headers["Content-Type"] = "application/octet-stream"
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return nil, "", err
		}
		options["body"] = string(b)
		headers["Content-Type"] = "application/json"
	}
	options["headers"] = headers
	answer, err := await(js.Global().Call("fetch", api1+path, options))
	if err != nil {
		return nil, "", &Refusal{0, unreachable}
	}
	text, err := await(answer.Call("text"))
	if err != nil {
		return nil, "", &Refusal{0, unreachable}
	}
	body = []byte(text.String())
	if answer.Get("ok").Bool() {
		if t := answer.Get("headers").Call("get", "ETag"); t.Type() == js.TypeString {
			tag = t.String()
		}
		return body, tag, nil
	}
	var problem struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	json.Unmarshal(body, &problem) // a proxy's answer is no JSON
	status := answer.Get("status").Int()
	words := problem.Detail
	for _, e := range problem.Errors {
		words += "; " + strings.TrimPrefix(e.Location+": ", "body.") + e.Message
	}
	if words == "" {
		words = "the coordinator answered " + answer.Get("statusText").String()
	}
	return nil, "", &Refusal{status, words}
}

// await waits for a promise. The loop must not call it.
func await(promise js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	done := make(chan result, 1)
	ok := js.FuncOf(func(_ js.Value, args []js.Value) any {
		v := js.Undefined()
		if len(args) > 0 {
			v = args[0]
		}
		done <- result{value: v}
		return nil
	})
	failed := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- result{err: errors.New(args[0].Call("toString").String())}
		return nil
	})
	defer ok.Release()
	defer failed.Release()
	promise.Call("then", ok, failed)
	r := <-done
	return r.value, r.err
}

// stream is the events of a run, or of none.
type stream struct {
	service
	source js.Value
	run    string
	serial int

	listeners []js.Func
}

// follow has take called with every event of a run, and lost when there is no connection;
// ended is called when the coordinator has ended the stream, or gives none. An empty run ends
// it.
func (s *stream) follow(run string, take func(kind string, data []byte), lost, ended func()) {
	if s.run == run {
		return
	}
	for _, f := range s.listeners {
		f.Release()
	}
	s.listeners = nil
	if s.source.Truthy() {
		s.source.Call("close")
		s.source = js.Undefined()
	}
	s.serial++
	if s.run = run; run == "" {
		return
	}
	serial := s.serial
	source := js.Global().Get("EventSource").New(api1 + "runs/" + run + "/events")
	s.source = source
	for _, kind := range []string{"state", "round", "reset", "crew", "open", "error"} {
		listener := js.FuncOf(func(_ js.Value, args []js.Value) any {
			var data []byte
			if d := args[0].Get("data"); d.Type() == js.TypeString {
				data = []byte(d.String())
			}
			s.loop.Do(func() {
				switch {
				case serial != s.serial:
				case kind == "error" && source.Get("readyState").Int() == closed: // after an answer that is no stream
					s.run = ""
					time.AfterFunc(2*time.Second, func() {
						s.loop.Do(func() {
							if serial == s.serial {
								ended()
							}
						})
					})
				case kind == "error":
					lost() // the browser tries again
				default:
					take(kind, data)
				}
			})
			return nil
		})
		s.listeners = append(s.listeners, listener)
		source.Call("addEventListener", kind, listener)
	}
}

// closed is the readyState of an EventSource that does not try again.
const closed = 2
