package ui

import (
	"slices"
	"strings"
	"testing"

	"fedtab/api"
	"fedtab/fields"
	"fedtab/tab"
)

func TestNumbersInWords(t *testing.T) {
	p := &Page{}
	is := func(x float64) *float64 { return &x }
	with := func(kernel string, l tab.Report) *Page { return &Page{Kernel: kernel, Local: Local{l}} }
	for _, c := range []struct{ got, want string }{
		{p.percent(nil), dash}, {p.loss(nil), dash}, {p.amount(nil), dash}, {p.short(nil), dash}, {p.three(nil), dash}, {raw(nil), ""},
		{p.percent(is(.981)), "98.10%"}, {p.loss(is(0.123456)), "0.1235"}, {p.amount(is(12345.6)), "12,346"}, {p.short(is(.5)), "0.5"}, {p.three(is(31.96)), "32.0"},
		{raw(is(0.9812)), "0.9812"}, {exact(int64(6376000)), "6376000"},
		{sentence("test accuracy reached"), "Test accuracy reached"}, {sentence("ölig"), "Ölig"}, {sentence(""), ""},
		{sentences("A.", "", "B."), "A. B."}, {sentences("", ""), ""},
		{with("", tab.Report{}).KernelWords(), dash}, {with("wasm-simd128", tab.Report{}).KernelWords(), "WebAssembly, SIMD"},
		{with("scalar", tab.Report{}).KernelWords(), "WebAssembly, no SIMD"}, {with("wasm-relaxed", tab.Report{}).KernelWords(), "WebAssembly, relaxed SIMD"},
		{with("", tab.Report{Examples: 15000, Shards: 3, ShardsTotal: 3}).ExamplesWords(), "15,000"},
		{with("", tab.Report{Examples: 5000, Shards: 1, ShardsTotal: 3}).ExamplesWords(), "5,000 (part 1 of 3)"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTaskInWords(t *testing.T) {
	task, empty := shown(t), &Page{}
	for _, c := range []struct{ got, want string }{
		{task.ModelWords(), "784-200-200-10, ReLU, softmax (199,210 parameters)"},
		{task.DataWords(), "MNIST: 60,000 handwritten digits"},
		{task.StrategyWords(), "Federated averaging: 1 epoch"},
		{task.GoalWords(), "98% test accuracy or 100 rounds"},
		{task.EvaluatedWords(), "model version 6"},
		{task.RoundWords(), "of at most 100"},
		{empty.ModelWords(), dash}, {empty.DataWords(), dash}, {empty.StrategyWords(), dash}, {empty.GoalWords(), dash},
		{empty.EvaluatedWords(), "not evaluated yet"}, {empty.RoundWords(), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// What has travelled in models, in bytes, in bits for a parameter, and against
// raw float32.
func TestTrafficInWords(t *testing.T) {
	for _, c := range []struct {
		name, task, want string
	}{
		{"nothing yet", `{"bytes_up": 0, "bytes_down": 0, "models_up": 0, "models_down": 0, "bits_up": null, "bits_down": null, "raw_ratio": null}`, dash},
		{"packed", `{"bytes_up": 124300, "bytes_down": 74600, "models_up": 5, "models_down": 5, "bits_up": 0.9983, "bits_down": 0.5992, "raw_ratio": 40.06}`,
			"5 models up, 124 kB, 0.998 bits a parameter; 5 down, 74.6 kB, 0.599 bits a parameter; raw float32 is 40.1 times as much"},
		{"the first round", `{"bytes_up": 24860, "bytes_down": 386, "models_up": 1, "models_down": 0, "bits_up": 0.9983, "bits_down": null, "raw_ratio": 31.56}`,
			"1 model up, 24.9 kB, 0.998 bits a parameter; 0 down, 386 B; raw float32 is 31.6 times as much"},
		{"raw", `{"bytes_up": 797000000, "bytes_down": 797000000, "models_up": 1000, "models_down": 1000, "bits_up": 32.006, "bits_down": 32.004, "raw_ratio": 0.9998}`,
			"1,000 models up, 797 MB, 32.0 bits a parameter; 1,000 down, 797 MB, 32.0 bits a parameter; raw float32 is 1.00 times as much"},
		{"more than raw", `{"bytes_up": 1000000, "bytes_down": 0, "models_up": 1, "models_down": 0, "bits_up": 187, "bits_down": null, "raw_ratio": 0.171}`,
			"1 model up, 1.00 MB, 187 bits a parameter; 0 down, 0 B; 5.85 times as much as raw float32"},
		{"no model yet", `{"bytes_up": 60, "bytes_down": 300, "models_up": 0, "models_down": 0, "bits_up": null, "bits_down": null, "raw_ratio": null}`,
			"0 models up, 60 B; 0 down, 300 B"},
		{"rolled back", `{"bytes_up": 60, "bytes_down": 300, "rolled_back": 2}`, "0 models up, 60 B; 0 down, 300 B; 2 rounds rolled back"},
	} {
		p := &Page{}
		fields.Fill(&p.Task, decode(t, c.task))
		if got := p.TrafficWords(); got != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestKindsInWords(t *testing.T) {
	for kinds, want := range map[string]string{
		`{}`: dash,
		`{"contribution": {"up": 2000000, "down": 0}, "model": {"up": 0, "down": 1500000}}`:                                                                                        "contribution 2.00 MB up; model 1.50 MB down",
		`{"status": {"up": 0, "down": 900}, "order": {"up": 0, "down": 1000}, "ack": {"up": 0, "down": 100}, "hello": {"up": 50, "down": 0}, "chunk": {"up": 4000, "down": 6000}}`: "chunk 4.00 kB up, 6.00 kB down; order 1.00 kB down; status 900 B down; the rest 150 B",
	} {
		p := &Page{}
		fields.Fill(&p.Task, decode(t, `{"kinds": `+kinds+`}`))
		if got := p.KindsWords(); got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", kinds, got, want)
		}
	}
}

func TestRoundsTrafficInWords(t *testing.T) {
	for _, c := range []struct {
		round, models, bits, raw string
	}{
		{`{"models_up": 2, "models_down": 2, "bits_up": 1.0034, "bits_down": 0.6241, "raw_ratio": 39.33}`, "2, 2", "1.00, 0.624", "39.3×"},
		{`{"models_up": 2, "models_down": 0, "bits_up": 1.0034, "bits_down": null, "raw_ratio": 31.5}`, "2, 0", "1.00, " + dash, "31.5×"},
		{`{"models_up": 0, "models_down": 1, "bits_up": null, "bits_down": 32.02, "raw_ratio": 0.97}`, "0, 1", dash + ", 32.0", "0.970×"},
		{`{"models_up": 0, "models_down": 0, "bits_up": null, "bits_down": null, "raw_ratio": null}`, "0, 0", dash, dash},
		{`{}`, "0, 0", dash, dash},
	} {
		var r api.Round
		p := &Page{}
		fields.Fill(&r, decode(t, c.round))
		if m, b, s := p.modelsWords(r.Traffic), p.bitsWords(r.Traffic), p.rawWords(r.Traffic); m != c.models || b != c.bits || s != c.raw {
			t.Errorf("%s: %q, %q, %q; want %q, %q, %q", c.round, m, b, s, c.models, c.bits, c.raw)
		}
	}
}

// By which codecs this tab packs and gets versions, and why not by the task's.
func TestPackingInWords(t *testing.T) {
	all := []string{"float32", "float32-planes", "float16", "deadzone", "dither", "grid"}
	without := func(codec string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(c string) bool { return c == codec })
	}
	for _, c := range []struct {
		name, packing string
		codecs        []string
		worker, want  string
	}{
		{"nothing yet", `{"up": "deadzone", "bits": 1, "down": "grid"}`, all, `{}`, dash},
		{"the first round", `{"up": "deadzone", "bits": 1, "down": "grid"}`, all, `{"codec": "deadzone", "codecDown": ""}`, "deadzone, 1 bit up"},
		{"both ways", `{"up": "deadzone", "bits": 1, "down": "grid"}`, all, `{"codec": "deadzone", "codecDown": "grid"}`, "deadzone, 1 bit up; grid down"},
		{"fewer bits", `{"up": "dither", "bits": 0.3, "down": "float16"}`, all, `{"codec": "dither", "codecDown": "float16"}`, "dither, 0.3 bits up; float16 down"},
		{"raw", `{"up": "float32", "bits": 0, "down": "float32"}`, all, `{"codec": "float32", "codecDown": "float32"}`, "float32 up; float32 down"},
		{"lacks the codec up", `{"up": "deadzone", "bits": 1, "down": "grid"}`, without("deadzone"), `{"codec": "float32", "codecDown": "grid"}`,
			"float32 up (this tab lacks deadzone); grid down"},
		{"lacks the codec down", `{"up": "deadzone", "bits": 1, "down": "grid"}`, without("grid"), `{"codec": "deadzone", "codecDown": "float32-planes"}`,
			"deadzone, 1 bit up; float32-planes down (this tab lacks grid)"},
		{"lacks both", `{"up": "deadzone", "bits": 1, "down": "grid"}`, []string{"float32"}, `{"codec": "float32", "codecDown": "float32"}`,
			"float32 up (this tab lacks deadzone); float32 down (this tab lacks grid)"},
		{"a version in full", `{"up": "deadzone", "bits": 1, "down": "grid"}`, all, `{"codec": "deadzone", "codecDown": "float32-planes"}`,
			"deadzone, 1 bit up; float32-planes down (in place of grid)"},
		{"a coordinator that does not say", `{}`, all, `{"codec": "deadzone", "codecDown": "grid"}`, "deadzone up; grid down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := shown(t)
			d := decode(t, description)
			d["packing"] = decode(t, c.packing)
			p.OnState(d)
			p.Join()
			p.OnReady("wasm-simd128", c.codecs...)
			state := decode(t, c.worker)
			state["connection"] = "joined"
			p.OnWorkerState(state)
			if got := strings.ReplaceAll(p.PackedWords(), "\n", " "); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// A tab that cannot fetch its data says why, and after some attempts what to do.
func TestDataTrouble(t *testing.T) {
	const again = "The data is fetched again by itself: there is nothing to do."
	for _, c := range []struct {
		name, worker       string
		state, aside, tone string
	}{
		{"the first failure", `{"activity": "downloading", "dataFailures": 1, "dataStatus": 404, "dataError": "the coordinator answers 404"}`,
			"Cannot fetch data: the coordinator answers 404, trying again", again, "trouble"},
		{"it stays so", `{"activity": "downloading", "dataFailures": 4, "dataStatus": 404, "dataError": "the coordinator answers 404"}`,
			"Cannot fetch data: the coordinator answers 404, trying again",
			"The coordinator does not have the data that it has assigned to this tab. Reload the page; if that does not help, tell the organiser.", "trouble"},
		{"forbidden, before an order", `{"activity": "waiting", "dataFailures": 5, "dataStatus": 403, "dataError": "the coordinator answers 403"}`,
			"Cannot fetch data: the coordinator answers 403, trying again",
			"The coordinator, or a proxy before it, refuses this tab the data. Tell the organiser.", "trouble"},
		{"busy", `{"activity": "downloading", "dataFailures": 9, "dataStatus": 503, "dataError": "the coordinator answers 503"}`,
			"Cannot fetch data: the coordinator answers 503, trying again", "The coordinator is busy. Keep the page open, or join later.", "trouble"},
		{"no answer", `{"activity": "downloading", "dataFailures": 4, "dataStatus": 0, "dataError": "no answer within 2 minutes"}`,
			"Cannot fetch data: no answer within 2 minutes, trying again",
			"Check the network of this computer. If other pages load, reload this one.", "trouble"},
		{"other data is there", `{"activity": "waiting", "examples": 600, "dataFailures": 1, "dataStatus": 500, "dataError": "the coordinator answers 500"}`,
			"Waiting for the next round", "A part of the data cannot be fetched: the coordinator answers 500. " + again, "calm"},
		{"it has come", `{"activity": "downloading", "examples": 600, "dataFailures": 0, "dataStatus": 0, "dataError": ""}`, "Fetching data", "", "busy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := shown(t)
			p.Join()
			p.OnReady("wasm-simd128")
			state := decode(t, c.worker)
			state["connection"] = "joined"
			p.OnWorkerState(state)
			if p.State() != c.state || p.Aside() != c.aside || p.Tone() != c.tone {
				t.Errorf("got  %q, %q, %q\nwant %q, %q, %q", p.State(), p.Aside(), p.Tone(), c.state, c.aside, c.tone)
			}
		})
	}
}

// A tab that is turned away says why, and what a participant can do; flags are for the
// organiser.
func TestRefusalInWords(t *testing.T) {
	const todo = "Start the coordinator with --x"
	for code, want := range map[string][2]string{
		"":          {"Connection lost", todo},
		"proxy":     {"The coordinator has no room for more behind one proxy", "Please tell the organiser: start the coordinator with --x"},
		"host":      {"The coordinator does not know the address of this page", "Please tell the organiser: start the coordinator with --x"},
		"address":   {"Too many connections from your address", "Close other tabs that take part, or wait until there is room. If many people share your network, tell the organiser."},
		"pace":      {"Too many connections from your address", "There is nothing to do: it passes within some seconds. If many people share your network, tell the organiser."},
		"downloads": {"Too many requests from your address", "Close other tabs of this page, and wait for a minute. If many people share your network, tell the organiser."},
		"full":      {"The coordinator is full", "Keep the page open, or come back later."},
		"stopping":  {"The coordinator is stopping", "Keep the page open: it goes on by itself when the coordinator is back."},
		"unknown":   {"The coordinator does not let this tab in", todo},
	} {
		p := shown(t)
		p.Join()
		p.OnReady("scalar")
		p.OnWorkerState(decode(t, `{"connection": "reconnecting", "refusal": "`+code+`", "detail": "start the coordinator with --x", "retrySeconds": 3.2}`))
		if got, want := p.State(), want[0]+", trying again in 4 s"; got != want {
			t.Errorf("%q: the page says %q, want %q", code, got, want)
		}
		if got := p.Aside(); got != want[1] {
			t.Errorf("%q: beside it %q, want %q", code, got, want[1])
		}
		if code == "" {
			continue
		}

		// The same before the tab has joined, of the page's events.
		p = shown(t)
		p.OnLink(LinkLost)
		p.OnDoor(map[string]any{"open": false, "code": code, "error": "start the coordinator with --x"})
		if state, aside := p.State(), p.Aside(); state != want[0]+", trying again" || aside != want[1] {
			t.Errorf("%q, events: the page says %q and %q, want %q", code, state, aside, want)
		}
		p.OnDoor(nil) // no answer
		if state, aside := p.State(), p.Aside(); state != "The coordinator cannot be reached, trying again" || aside != "" {
			t.Errorf("after %q no answer: the page says %q and %q", code, state, aside)
		}
		p.OnDoor(map[string]any{"open": false, "code": code})
		p.OnLink(LinkOpen)
		p.OnDoor(map[string]any{"open": false, "code": code}) // late
		if p.Door.Code != "" || p.Tone() == "trouble" {
			t.Errorf("%q stays after the link is open: %q", code, p.State())
		}
	}
}
