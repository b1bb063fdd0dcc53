package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fedtab/coordinator/access"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// dashboard opens the organisers' page, signed in.
func (c *coordinator) dashboard() *tab {
	c.t.Helper()
	b := open(c.t, c.organisers())
	c.t.Cleanup(func() {
		if c.t.Failed() {
			c.t.Logf("the dashboard says %q, %q, %q", b.text("problem"), b.text("make-state"), b.text("faults"))
		}
	})
	await(c.t, "somebody is signed in", func() bool { return b.text("who") == "Signed in as organiser" })
	return b
}

// visitor opens a page with another profile, so that the organiser stays signed in.
func visitor(t *testing.T, address string) *tab {
	t.Helper()
	b := blank(t, profile(t), address)
	b.to(address)
	return b
}

// at shows a page of the dashboard.
func (b *tab) at(hash string) {
	b.t.Helper()
	js[bool](b, fmt.Sprintf("(location.hash = %q, true)", hash))
}

// tells waits until an element shows words.
func (b *tab) tells(id, words string) {
	b.t.Helper()
	await(b.t, id+" says "+words, func() bool { return strings.Contains(b.text(id), words) })
}

// set gives a field a value, as a person who has written or chosen it, once a list has it.
func (b *tab) set(id, value string) {
	b.t.Helper()
	await(b.t, "there is a field "+id, func() bool {
		return js[bool](b, fmt.Sprintf(`(() => {
			const e = document.getElementById(%q);
			if (!e?.offsetParent) return false;
			e.focus();
			e.value = %q;
			if (e.value === "" && e.tagName === "SELECT") return false;
			e.dispatchEvent(new Event("input", { bubbles: true }));
			e.dispatchEvent(new Event("change", { bubbles: true }));
			return true;
		})()`, id, value))
	})
}

// answer answers what the dashboard asks before an order. The question before it has gone: its
// field is the same.
func (b *tab) answer(order, value string) {
	b.t.Helper()
	await(b.t, "nothing is asked", func() bool { return !js[bool](b, "Boolean(document.getElementById('ask-yes')?.offsetParent)") })
	b.press(order)
	if value != "" {
		b.set("ask-value", value)
	}
	b.press("ask-yes")
}

// looks fails the test for barriers, and for a page that is wider than a phone.
func (b *tab) looks(state string) {
	b.t.Helper()
	b.axe(state)
	b.emulate(390, "light")
	if width := js[int](b, "document.documentElement.scrollWidth"); width > 390 {
		b.t.Errorf("%s is %d pixels wide on a screen of 390", state, width)
	}
	b.emulate(1280, "light")
}

// row returns whether a row of a table shows all of some words.
func (b *tab) row(body string, words ...string) bool {
	b.t.Helper()
	list, err := json.Marshal(words)
	if err != nil {
		b.t.Fatal(err)
	}
	return js[bool](b, fmt.Sprintf("[...document.querySelectorAll('#%s tr')].some((tr) => %s.every((words) => tr.textContent.includes(words)))", body, list))
}

// An organiser's way: the link signs in, a run is watched, paused, resumed, annotated,
// extended, rolled back, stopped, followed by another one, compared, and deleted.
func TestDashboard(t *testing.T) {
	c := serve(t, short("rounds: 1000"), "--admin-addr", "127.0.0.1:0")
	page, _, _ := strings.Cut(c.organisers(), "#")
	b := c.dashboard()
	if at := js[string](b, "location.href"); at != page {
		t.Errorf("its address is %s, want %s without the token", at, page)
	}
	run := c.state("digits").Run
	await(t, "the run is listed", func() bool { return b.row("runs", run, "going") })
	b.looks("the runs")

	person := visitor(t, c.url())
	person.join()
	b.at("#/run/" + run)
	await(t, "charts are drawn", func() bool { return js[int](b, "document.querySelectorAll('#charts .curve').length") > 4 })
	await(t, "the participant is listed", func() bool { return b.row("participants", "training") || b.row("participants", "waiting") })
	drawn := js[string](b, "document.querySelector('#chart-accuracy .curve').getAttribute('d')")
	await(t, "the curve grows by itself", func() bool {
		return js[string](b, "document.querySelector('#chart-accuracy .curve').getAttribute('d')") != drawn
	})
	b.looks("a run")

	b.answer("pause", "back <b>soon</b>")
	b.tells("status", "It is paused: back <b>soon</b>")
	person.shows("back <b>soon</b>")
	version := c.state("digits").Version
	await(t, "the newest version can be pinned", func() bool {
		return js[bool](b, fmt.Sprintf("(() => { const e = document.querySelector('#versions [data-action=pin][data-value=\"%d\"]'); e?.click(); return Boolean(e) })()", version))
	})
	await(t, "it is pinned", func() bool { return b.row("versions", fmt.Sprint(version), "Unpin") })
	b.press("resume")
	await(t, "the tab trains on", func() bool { return c.state("digits").Version >= version+2 })
	b.answer("pause", "a look back")
	b.tells("status", "a look back")
	newest := c.state("digits").Version
	await(t, "one can go back to it", func() bool {
		return js[bool](b, fmt.Sprintf("(() => { const e = document.querySelector('#versions [data-action=ask-version][data-value=\"%d\"]'); e?.click(); return Boolean(e) })()", version))
	})
	b.tells("ask-title", fmt.Sprintf("Roll back to version %d", version))
	b.looks("a question")
	b.press("ask-yes")
	await(t, "the run is rolled back", func() bool { return c.state("digits").Version == newest+1 })
	b.press("resume")
	b.answer("annotate", "a note <b>of</b> mine")
	b.tells("note", "a note <b>of</b> mine")
	b.answer("stop", "the lesson is over")
	b.tells("status", "stopped by its organiser: the lesson is over")
	before := c.state("digits").Version
	b.answer("extend", "2")
	await(t, "the run goes on to its new end", func() bool {
		s := c.state("digits")
		return s.Phase == "finished" && s.Version == before+2
	})
	b.tells("said", "goes on for longer")
	b.answer("next-run", run+"@best")
	next := ""
	await(t, "the next run has begun and is shown", func() bool {
		next = c.state("digits").Run
		return next != run && js[string](b, "location.hash") == "#/run/"+next
	})
	await(t, "it has rounds", func() bool { return c.state("digits").Version >= 3 })

	b.at("#/")
	for _, name := range []string{run, next} {
		await(t, name+" can be picked", func() bool {
			return js[bool](b, fmt.Sprintf("(() => { const e = document.querySelector('[data-name=\"%s\"]'); e?.click(); return Boolean(e) })()", name))
		})
	}
	b.press("compare-link")
	await(t, "both are drawn", func() bool {
		return js[int](b, "[...document.querySelectorAll('#comparison .curve')].filter((e) => e.getAttribute('d')).length") == 2
	})
	b.looks("a comparison")
	saved := b.saved()
	for format, begins := range map[string]string{"csv": "run,bytes,loss on the test set\n", "svg": "<svg ", "png": "\x89PNG"} {
		b.set("compare-x", "bytes")
		b.set("compare-y", "test_loss")
		b.tells("comparison", "bytes")
		b.press("save-" + format)
		path := filepath.Join(saved, "compare-test_loss-over-bytes."+format)
		await(t, "a file "+format+" is saved", func() bool {
			content, err := os.ReadFile(path)
			return err == nil && strings.HasPrefix(string(content), begins)
		})
	}

	b.at("#/run/" + run)
	b.press("delete")
	b.set("ask-value", "digits")
	if js[bool](b, "!document.getElementById('ask-yes').disabled") {
		t.Error("a run can be deleted without its name")
	}
	b.set("ask-value", run)
	b.press("ask-yes")
	await(t, "the run is gone", func() bool {
		return js[string](b, "location.hash") == "#/" && b.row("runs", next) && !b.row("runs", run)
	})
	b.at("#/orders")
	await(t, "the orders are listed", func() bool {
		return b.row("orders", "delete-run", run, "done") && b.row("orders", "pause-run", "back <b>soon</b>")
	})
	b.looks("orders")
	b.press("out")
	await(t, "the form to sign in is there", func() bool { return js[bool](b, "document.getElementById('token').offsetParent !== null") })
	b.looks("signing in")
}

// saved is the folder into which the browser saves what the tab has it save.
func (b *tab) saved() string {
	b.t.Helper()
	dir := b.t.TempDir()
	allow := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: dir})
		return err
	})
	if err := chromedp.Do(b.ctx, allow); err != nil {
		b.t.Fatal(err)
	}
	return dir
}

// Whatever happens behind the dashboard's back it says in a sentence: another organiser
// deletes the run that is shown, the coordinator restarts, the token is replaced.
func TestDashboardTrouble(t *testing.T) {
	c := serve(t, short("rounds: 2"), "--admin-addr", "127.0.0.1:0")
	b := c.dashboard()
	first := c.state("digits").Run
	c.order("stop", "--run", first)
	c.order("run", "--task", "digits")
	second := c.state("digits").Run
	b.at("#/run/" + first)
	b.tells("status", "It is over")
	c.order("delete", "--run", first, "--confirm", first)
	b.press("annotate")
	b.press("ask-yes")
	b.tells("gone", "another organiser has deleted it")
	b.looks("a run that is gone")

	b.at("#/run/" + second)
	b.tells("status", "It waits for participants")
	b.offline = true
	admin := strings.TrimPrefix(strings.SplitN(c.organisers(), "/#", 2)[0], "http://")
	c.stop(syscall.SIGTERM)
	b.tells("lost", "cannot be reached")
	c.args[len(c.args)-1] = admin
	c.start()
	await(t, "it is back by itself", func() bool {
		return js[bool](b, "document.getElementById('lost').hidden") && strings.Contains(b.text("status"), "It waits for participants")
	})

	b.at("#/new")
	b.set("preset", "mnist-2nn")
	await(t, "the task file is there", func() bool { return strings.Contains(js[string](b, "document.getElementById('yaml').value"), "mnist") })
	b.set("set-stop.rounds", "9")
	await(t, "nothing is under way", func() bool {
		return strings.Contains(js[string](b, "document.getElementById('yaml').value"), "rounds: 9")
	})
	if err := os.Remove(filepath.Join(c.dir(), "organiser.token")); err != nil {
		t.Fatal(err)
	}
	c.cmd.Process.Signal(syscall.SIGHUP)
	token := ""
	await(t, "another token is taken", func() bool {
		content, err := os.ReadFile(filepath.Join(c.dir(), "organiser.token"))
		token = strings.TrimSpace(string(content))
		return err == nil && token != "" && takes("http://"+admin, token)
	})
	b.set("set-strategy.fraction", "0.5")
	b.tells("problem", "The session has ended")
	b.set("token", "fto_wrong")
	b.press("sign-in")
	b.tells("problem", "a valid token is missing")
	b.set("token", token)
	b.press("sign-in")
	await(t, "what was written is still there", func() bool {
		return strings.Contains(js[string](b, "document.getElementById('yaml')?.value ?? ''"), "fraction: 0.5")
	})
	b.tells("make-state", "It can be started")
}

// takes reports whether an admin address takes a token.
func takes(address, token string) bool {
	r, err := http.NewRequest(http.MethodGet, address+"/api/v1/runs", nil)
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// A newcomer's way from nothing to a study on a table of one's own: choose a table, look at
// what it costs, start, invite two people, who bring their tables, and see the run end. No
// editor, and no command but that which serves. It is written down in docs/dashboard.md.
func TestDashboardStudy(t *testing.T) {
	began := time.Now()
	c := serve(t, short("rounds: 2"), "--admin-addr", "127.0.0.1:0")
	b := c.dashboard()
	b.press("new-link")
	table := file(t, "ward.csv", patients(300, patientColumns, patientRow))
	await(t, "a table can be chosen", func() bool {
		return js[bool](b, "Boolean(document.getElementById('table')?.offsetParent || document.querySelector('label.button'))")
	})
	b.upload("table", table)
	b.tells("make-state", "It can be started")
	b.looks("a new run")
	b.set("set-stop.rounds", "many")
	b.tells("faults", "rounds")
	b.looks("a new run with a fault")
	b.set("set-stop.rounds", "3")
	b.tells("make-state", "It can be started")
	if yaml := js[string](b, "document.getElementById('yaml').value"); !strings.Contains(yaml, "rounds: 3") {
		t.Errorf("the task file does not follow the form:\n%s", yaml)
	}
	b.set("yaml", strings.Replace(js[string](b, "document.getElementById('yaml').value"), "rounds: 3", "rounds: 4", 1))
	await(t, "the form follows the task file", func() bool { return js[string](b, "document.getElementById('set-stop.rounds').value") == "4" })
	b.set("set-join", "invited")
	b.tells("make-state", "It can be started")
	await(t, "the run is shown", func() bool {
		// A press is forgotten with a check that fails: a person presses again.
		js[bool](b, "(() => { const e = document.getElementById('start'); if (e?.offsetParent && !e.disabled) e.click(); return true })()")
		return strings.HasPrefix(js[string](b, "location.hash"), "#/run/") && strings.Contains(b.text("status"), "waits for participants")
	})
	b.at("#/invites")
	b.set("invite-uses", "2")
	b.press("make-invite")
	link := ""
	await(t, "there is a link", func() bool {
		link = js[string](b, "document.getElementById('invite-link')?.getAttribute('href') ?? ''")
		return strings.Contains(link, "#invite=") && js[bool](b, "document.querySelector('#qr svg') !== null")
	})
	b.looks("an invite")
	for i := range 2 {
		person := visitor(t, link)
		person.step("none")
		person.choose("own-files", file(t, fmt.Sprintf("ward-%d.csv", i), patients(120+20*i, patientColumns, patientRow)))
		person.step("asking")
		person.press("own-read")
		person.step("ready")
		person.join()
	}
	b.at("#/")
	await(t, "the study is finished", func() bool { return b.row("runs", "finished", "4 of 4") })
	t.Logf("from the start of the coordinator to the end of the study: %v", time.Since(began))

	// It is there after a restart, too.
	name := strings.TrimPrefix(strings.Split(link, "#")[0], c.url()+"t/")
	b.offline = true
	c.stop(syscall.SIGTERM)
	c.start()
	answer, err := http.Get(c.url() + "t/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "own") {
		t.Errorf("after a restart the page of %s is %s", name, answer.Status)
	}
}

// A viewer sees everything, and is offered no order.
func TestDashboardViewer(t *testing.T) {
	c := serve(t, short("rounds: 3"), "--admin-addr", "127.0.0.1:0")
	page, _, _ := strings.Cut(c.organisers(), "#")
	viewer, err := os.ReadFile(filepath.Join(c.dir(), string(access.Viewer)+".token"))
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, page+"#token="+strings.TrimSpace(string(viewer)))
	b.tells("who", "Signed in as viewer")
	b.at("#/run/digits")
	b.tells("status", "It waits for participants")
	for _, id := range []string{"pause", "stop", "extend", "annotate", "delete", "new-link"} {
		if js[bool](b, fmt.Sprintf("Boolean(document.getElementById(%q)?.offsetParent)", id)) {
			t.Errorf("a viewer is offered %s", id)
		}
	}
}

// The main path in Firefox.
func TestFirefoxDashboard(t *testing.T) {
	c := serve(t, short("rounds: 1000"), "--admin-addr", "127.0.0.1:0")
	person := visitor(t, c.url())
	person.join()
	run := c.state("digits").Run
	f := startFirefox(t)
	f.to(c.organisers())
	f.shows("Signed in as organiser")
	f.shows(run)
	f.js("(location.hash = '#/run/" + run + "', '')")
	f.is("charts are drawn", "document.querySelectorAll('#charts .curve').length > 4")
	f.press("stop")
	f.press("ask-yes")
	f.shows("It is over: stopped by its organiser")
	f.js("(location.hash = '#/new', '')")
	f.is("there are tasks to choose from", "document.querySelectorAll('#preset option').length > 5")
	f.js("(() => { const e = document.getElementById('preset'); e.value = 'mnist-2nn'; e.dispatchEvent(new Event('change', { bubbles: true })); return '' })()")
	f.is("the task file is there", "document.getElementById('yaml').value.includes('mnist')")
	f.shows("It can be started")
}
