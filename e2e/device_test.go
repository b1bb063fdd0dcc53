package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// device is the page /bench in a browser.
type device struct {
	t  *testing.T
	js func(expression string) string
}

// press presses a button once it is shown: before its script is there, it is not.
func (d device) press(id string) {
	d.t.Helper()
	await(d.t, "the button "+id+" can be pressed", func() bool {
		return d.js(fmt.Sprintf("(() => { const e = document.getElementById(%q); if (!e || e.offsetParent === null) return ''; e.click(); return 'yes' })()", id)) == "yes"
	})
}

// short has each job measured once, in two mini-batches.
func (d device) short() {
	d.js("(Object.assign(document.getElementById('bench').dataset, { ms: 1, times: 1, steps: 2 }), '')")
}

func (d device) says(words string) {
	d.t.Helper()
	await(d.t, "the page says "+words, func() bool {
		return strings.Contains(d.js("document.getElementById('bench-state').textContent"), words)
	})
}

// figures returns how many rows have a figure of this device, and how many there are.
func (d device) figures() (have, all int) {
	d.t.Helper()
	const rows = "[...document.querySelectorAll('#bench-rows tr')]"
	text := d.js(rows + `.filter((r) => Number(r.dataset.rate) > 0 && /^[0-9.,]+$/.test(r.querySelector(".rate").textContent) && /^([0-9.,]+ times (as fast|slower)|about as fast)$/.test(r.querySelector(".against").textContent)).length + " " + ` + rows + ".length")
	if _, err := fmt.Sscan(text, &have, &all); err != nil {
		d.t.Fatalf("%q: %v", text, err)
	}
	return have, all
}

// hides makes the page think that it is hidden, or seen again.
func (d device) hides(state string) {
	d.js(fmt.Sprintf("(Object.defineProperty(document, 'visibilityState', { value: %q, configurable: true }), document.dispatchEvent(new Event('visibilitychange')), '')", state))
}

// measures has all jobs measured, and stops in another run.
func (d device) measures() {
	t := d.t
	t.Helper()
	d.short()
	d.press("bench-measure")
	d.says("Measured")
	if have, all := d.figures(); have != all || all < 7 {
		t.Errorf("%d of %d rows have figures of this device", have, all)
	}
	if kernel := d.js("document.getElementById('bench-kernel').dataset.value"); kernel != "wasm-relaxed" {
		t.Errorf("the kernel is %q, want wasm-relaxed", kernel)
	}
	if text := d.js("document.getElementById('bench-kernel').textContent"); !strings.Contains(text, "relaxed SIMD") {
		t.Errorf("the page says %q, want which kernel is in use", text)
	}

	d.js("(document.getElementById('bench').dataset.ms = 600_000, '')")
	d.press("bench-measure")
	d.says("1 of 9: 2NN, MNIST, mini-batches of 10")
	d.press("bench-stop")
	d.says("Stopped")
	if have, _ := d.figures(); have != 0 {
		t.Errorf("after a stop in the first job %d rows have figures, want none", have)
	}

	// Of a page that is hidden nothing is measured; seen again, it goes on.
	d.short()
	d.hides("hidden")
	d.press("bench-measure")
	d.says("Paused")
	if have, _ := d.figures(); have != 0 {
		t.Errorf("of a page that is hidden %d rows have figures, want none", have)
	}
	d.hides("visible")
	d.says("Measured")
	if have, all := d.figures(); have != all {
		t.Errorf("after a stop and a pause %d of %d rows have figures", have, all)
	}
}

// The page /bench measures how fast a browser trains, in Chromium and Firefox.
func TestDevice(t *testing.T) {
	c := serve(t, digits(), "--task", "anes96")
	t.Run("Chromium", func(t *testing.T) {
		b := open(t, c.url()+"bench")
		d := device{t, func(expression string) string { return js[string](b, expression) }}
		d.measures()

		// What goes wrong is said, and the next run may go well.
		images := d.js("document.getElementById('bench').dataset.images")
		d.js("(document.getElementById('bench').dataset.images = 'data/none', '')")
		d.press("bench-measure")
		d.says("The images of MNIST could not be loaded from the coordinator. Check the connection, and measure again.")
		b.absent()
		d.js(fmt.Sprintf("(Object.assign(document.getElementById('bench').dataset, { images: %q }), document.querySelector('#bench-rows tr').dataset.model = '3nn', '')", images))
		d.press("bench-measure")
		d.says(`The program that measures has stopped (workload: model "3nn", want 2nn or cnn). Reload the page, and measure again.`)
		d.js("(document.querySelector('#bench-rows tr').dataset.model = '2nn', fedtab.vectors = () => 'simd128', '')")
		d.press("bench-measure")
		d.says("Measured")
		if kernel := d.js("document.getElementById('bench-kernel').textContent"); kernel != "Kernel in use: WebAssembly, SIMD" {
			t.Errorf("without relaxed SIMD the page says %q", kernel)
		}
	})
	t.Run("German", func(t *testing.T) {
		b := open(t, c.url()+"bench?lang=de")
		d := device{t, func(expression string) string { return js[string](b, expression) }}
		d.short()
		d.press("bench-measure")
		d.says("9 von 9: CNN, MNIST, Mini-Batches von 128")
		d.says("Gemessen")
		b.shows("-mal so ")
	})
	t.Run("Firefox", func(t *testing.T) {
		f := startFirefox(t)
		f.call("script.addPreloadScript", `{"functionDeclaration": "() => { window.violations = []; document.addEventListener('securitypolicyviolation', e => window.violations.push(e.violatedDirective + ' ' + e.blockedURI)) }"}`, nil)
		f.to(c.url() + "bench")
		device{t, f.js}.measures()
		if got := f.js("JSON.stringify(window.violations)"); got != "[]" {
			t.Errorf("the page breaks its Content-Security-Policy: %s", got)
		}
	})
	t.Run("no MNIST", func(t *testing.T) {
		b := open(t, serve(t, ownTable()).url()+"bench")
		b.shows("No task here has MNIST, so only dense inputs are measured.")
		d := device{t, func(expression string) string { return js[string](b, expression) }}
		d.short()
		d.press("bench-measure")
		d.says("Measured")
		if have, all := d.figures(); have != 3 || all != 9 {
			t.Errorf("%d of %d rows have figures, want the 3 of dense inputs of 9", have, all)
		}
	})
	t.Run("below a prefix", func(t *testing.T) {
		port := freePort(t)
		public := fmt.Sprintf("http://127.0.0.1:%d/lab", port)
		p := proxies[0]
		p.run(t, serve(t, digits(), "--public-url", public), port, p.plain[:]...)
		b := open(t, public+"/t/digits")
		b.follow(`footer [href$="bench"]`)
		d := device{t, func(expression string) string { return js[string](b, expression) }}
		b.shows("Nothing leaves this device")
		d.short()
		d.press("bench-measure")
		d.says("Measured")
	})
}
