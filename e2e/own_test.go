package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// ownTable is a task with a table of participants.
func ownTable(edit ...string) string {
	return strings.NewReplacer(edit...).Replace(`name: patients
title: Who falls ill
model: {kind: softmax}
data:
  source: own
  table:
    features:
      - {name: age, type: number, min: 0, max: 120}
      - {name: weight, type: number, min: 0, max: 300}
      - {name: sex, type: category, values: [f, m], aliases: {female: f, male: m}}
    label: {name: outcome, values: [healthy, ill]}
  standardise: local
  holdout: 0.2
  examples: {min: 10, max: 100000}
strategy: {kind: fedavg, fraction: 1, epochs: 2, batch: 10, lr: 0.3, min_clients: 1}
stop: {rounds: 4}
`)
}

// patients are rows of that table, as format writes them: those older than 60 are ill.
func patients(n int, header, format string, more ...string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range n {
		age, sex, outcome := 20+(i*37)%80, []string{"f", "m"}[i%2], "healthy"
		if age > 60 {
			outcome = "ill"
		}
		fmt.Fprintf(&b, format+"\n", age, 50+(i*13)%60, sex, outcome)
	}
	for _, line := range more {
		b.WriteString(line + "\n")
	}
	return b.String()
}

const (
	patientColumns = "age,weight,sex,outcome"
	patientRow     = "%d,%d.5,%s,%s"
)

// file writes a file and returns its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// choose gives files to a field of the page, as a person who has chosen them.
func (b *tab) choose(id string, paths ...string) {
	b.t.Helper()
	await(b.t, "files can be chosen", func() bool {
		return js[bool](b, fmt.Sprintf("Boolean(document.getElementById(%q)?.offsetParent && document.getElementById('own-state')?.dataset.step)", id))
	})
	b.upload(id, paths...)
}

// upload gives files to a field.
func (b *tab) upload(id string, paths ...string) {
	b.t.Helper()
	await(b.t, "files can be chosen in "+id, func() bool {
		err := chromedp.Do(b.ctx, chromedp.SetUploadFiles("#"+id, paths))
		if err != nil && !strings.Contains(err.Error(), "Could not find node with given id") { // it was drawn anew meanwhile
			b.t.Fatal(err)
		}
		return err == nil
	})
}

// step waits for a step of the tab's own data.
func (b *tab) step(want string) {
	b.t.Helper()
	await(b.t, "the data is "+want, func() bool {
		return js[string](b, "document.getElementById('own-state')?.dataset.step ?? ''") == want
	})
}

// shows waits until the page has a text.
func (b *tab) shows(words string) {
	b.t.Helper()
	await(b.t, "the page shows "+words, func() bool { return js[bool](b, fmt.Sprintf("document.body?.innerText.includes(%q) ?? false", words)) })
}

// selects chooses a value of a list, as a person does.
func (b *tab) selects(selector, value string) {
	b.t.Helper()
	await(b.t, "there is a list "+selector, func() bool {
		return js[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); if (!e || e.offsetParent === null) return false;
			e.value = %q; e.dispatchEvent(new Event("change", { bubbles: true })); return true })()`, selector, value))
	})
}

// click presses a button that has no id.
func (b *tab) click(selector string) {
	b.t.Helper()
	await(b.t, "the button "+selector+" can be pressed", func() bool {
		return js[bool](b, fmt.Sprintf("(() => { const e = document.querySelector(%q); if (!e || e.disabled || e.offsetParent === null) return false; e.click(); return true })()", selector))
	})
}

// reload loads the page again.
func (b *tab) reload() {
	b.t.Helper()
	js[bool](b, "window.gone = true, setTimeout(() => location.reload()), true")
	await(b.t, "the page is there again", func() bool {
		return js[bool](b, "!window.gone && document.getElementById('own-state')?.dataset.step !== undefined")
	})
}

// kept returns the names of what the browser keeps, as the page lists them.
func (b *tab) kept() string {
	b.t.Helper()
	return js[string](b, "[...document.querySelectorAll('#own-kept strong')].filter(e => e.offsetParent).map(e => e.textContent).join(' ')")
}

// A person brings a table: it is looked at, read, kept over a reload, and trained on; then
// it is deleted.
func TestOwnTable(t *testing.T) {
	c := serve(t, ownTable())
	b := open(t, c.url())
	b.says("Bring your data to take part")
	b.choose("own-files", file(t, "ward.csv", patients(200, patientColumns, patientRow)))
	b.step("asking")
	if n := js[int](b, "document.querySelectorAll('#own-rows tr').length"); n != 50 {
		t.Errorf("%d rows are shown, want 50", n)
	}
	if row := js[string](b, "document.querySelector('#own-rows tr').textContent"); row != "22050.5fhealthy" {
		t.Errorf("the first row is %q, want line 2 with its values", row)
	}
	b.look("20-own-asking")
	b.press("own-read")
	b.step("ready")
	await(t, "the table is kept", func() bool { return b.kept() == "ward.csv" })
	b.look("21-own-ready")
	b.reload()
	b.step("ready")
	b.shows("Ready: 200 rows from ward.csv; 40 of them only test the model")

	other := open(t, c.url()) // has no data, and is offered what the browser keeps
	other.step("none")
	other.click("#own-kept [data-action=own-use]")
	other.step("ready")

	b.press("join") // the run may be over before the page shows that the tab has joined
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	if s := c.state("patients"); s.Version != 4 {
		t.Errorf("the run ends with version %d, want 4", s.Version)
	}
	b.press("personalise")
	await(t, "there is a personal model", func() bool { return js[bool](b, "document.getElementById('gain-personal').textContent.endsWith('%')") })
	b.saves()
	b.press("own-download")
	b.click("[data-action=own-download][data-value=onnx]")
	await(t, "both files are written", func() bool {
		return js[bool](b, "/^patients-personal-[34][.]safetensors [0-9]{4,}, patients-personal-[34][.]onnx [0-9]{4,}$/.test(saved.join(', '))") || b.text("own-error") != ""
	})
	if got := b.text("own-error"); got != "" {
		t.Error(got)
	}
	b.look("28-own-gain")
	other.reload()
	other.click("#own-kept [data-action=own-delete]")
	await(t, "nothing is kept", func() bool { return other.kept() == "" })
	other.step("none")
	other.reload()
	other.step("none")
}

// The tasks that ship are tried with the files that come with them.
func TestOwnSamples(t *testing.T) {
	for name, read := range map[string]bool{"own-vote": true, "own-investment": true, "own-clothes": false} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "tasks", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			b := open(t, serve(t, string(text)).url())
			b.step("none")
			b.click("[data-action=own-sample]")
			if read {
				b.step("asking")
				b.press("own-read")
			}
			b.step("ready")
		})
	}
}

// look takes a screenshot, if that is asked for.
func (b *tab) look(name string) {
	b.t.Helper()
	if *screenshots != "" {
		b.pictures(name)
	}
}

// A tab that is reloaded while it takes part goes on with the same data, and one that
// forgets everything has nothing left.
func TestOwnReloadAndForget(t *testing.T) {
	c := serve(t, ownTable("min_clients: 1", "min_clients: 2"))
	b := open(t, c.url())
	b.choose("own-files", file(t, "ward.csv", patients(100, patientColumns, patientRow)))
	b.press("own-read")
	b.step("ready")
	await(t, "the table is kept", func() bool { return b.kept() == "ward.csv" })
	b.join()
	number := b.participant()
	b.reload()
	await(t, "the tab has joined again", func() bool { return b.state("connection") == "joined" })
	if got := b.participant(); got != number {
		t.Errorf("participant %d comes back as %d", number, got)
	}
	if v, _ := b.value("examples"); v != 80 {
		t.Errorf("%v examples to train on after the reload, want 80", v)
	}
	b.shows("To change it, leave first.")
	b.look("22-own-joined")

	b.press("own-forget")
	b.press("own-forget") // asked again
	await(t, "the tab has left", func() bool { return c.state("patients").Participants == 0 })
	b.step("none")
	left := js[string](b, `(async () => {
		const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("own", { create: true });
		const files = []; for await (const name of folder.keys()) files.push(name);
		const database = await new Promise((done) => { const r = indexedDB.open("fedtab", 1); r.onsuccess = () => done(r.result); });
		const entries = await new Promise((done) => { const r = database.transaction("participants").objectStore("participants").count(); r.onsuccess = () => done(r.result); });
		database.close();
		window.left = files.length + " files, " + entries + " participants, " + Object.keys(sessionStorage).filter((k) => k !== "fedtab.data.patients" || sessionStorage[k]).length + " in sessionStorage";
	})(), ""`)
	await(t, "the storage is looked at", func() bool { left = js[string](b, "window.left ?? ''"); return left != "" })
	if want := "0 files, 0 participants, 0 in sessionStorage"; left != want {
		t.Errorf("after everything is forgotten there are %s, want %s", left, want)
	}
}

// Files as people have them: columns of other names and orders, decimal commas, labels of
// their own, rows that cannot be used.
func TestOwnTableQuestions(t *testing.T) {
	c := serve(t, ownTable())
	b := open(t, c.url())
	// Other names and another order, decimal commas, and labels of its own.
	rows := strings.NewReplacer(".5;", ",5;", ";healthy", ";well", ";ill", ";sick").Replace(patients(60, "Alter;Weight;SEX;outcome", "%d;%d.5;%s;%s"))
	b.choose("own-files", file(t, "klinik.csv", rows))
	b.step("asking")
	b.shows("Not found in the file: age.")
	if js[bool](b, "!document.getElementById('own-read').disabled") {
		t.Error("a table without a column can be read")
	}
	b.selects(`[data-change=column][data-name=age]`, "1")
	await(t, "the table can be read", func() bool { return js[bool](b, "!document.getElementById('own-read').disabled") })
	b.shows("What do these texts in outcome stand for?")
	b.look("23-own-questions")
	b.selects(`[data-change=offer][data-text=well]`, "healthy")
	await(t, "one text is left", func() bool {
		return js[int](b, "[...document.querySelectorAll('[data-change=offer]')].filter(e => e.offsetParent).length") == 1
	})
	b.selects(`[data-change=offer][data-text=sick]`, "ill")
	await(t, "no text is left", func() bool {
		return js[int](b, "[...document.querySelectorAll('[data-change=offer]')].filter(e => e.offsetParent).length") == 0
	})
	b.press("own-read")
	b.step("ready")
	b.shows("Ready: 60 rows from klinik.csv")

	// Rows with problems are listed, and left out only when the person says so.
	b.choose("own-files", file(t, "odd.csv", patients(30, patientColumns, patientRow, "999,70.5,f,ill", "41,many,x,healthy")))
	b.step("asking")
	b.press("own-read")
	b.step("refused")
	b.shows(`age is "999", want a number from 0 to 120`)
	b.shows("line 33")
	b.look("24-own-problems")
	b.press("own-skip")
	b.step("ready")
	b.shows("Ready: 30 rows from odd.csv")

	// A number that only a person can read.
	b.choose("own-files", file(t, "three.csv", "age,weight,sex,outcome\n"+strings.Repeat("41,\"12,345\",f,ill\n42,\"12,346\",m,healthy\n", 10)))
	b.step("asking")
	b.shows("decimal comma?")
	b.selects("#own-decimal", "comma")
	await(t, "the table can be read", func() bool { return js[bool](b, "!document.getElementById('own-read').disabled") })
	b.press("own-read")
	b.step("ready")
}

// What is no table, or cannot be read, is told in a sentence, and what was there stays.
func TestOwnTableTroubles(t *testing.T) {
	c := serve(t, ownTable())
	b := open(t, c.url())
	b.choose("own-files", file(t, "ward.csv", patients(50, patientColumns, patientRow)))
	b.press("own-read")
	b.step("ready")
	stays := func(words string) {
		t.Helper()
		await(t, "the page says "+words, func() bool { return strings.Contains(b.text("own-error"), words) })
		b.step("ready")
		b.shows("Ready: 50 rows from ward.csv")
	}
	b.choose("own-files", file(t, "sheet.csv", "PK\x03\x04\x14\x00\x06\x00[Content_Types].xml xl/workbook.xml"))
	stays("save the sheet as CSV")
	b.choose("own-files", file(t, "empty.csv", ""))
	stays("empty.csv is empty.")

	// A file that changes between the first look and the reading.
	path := file(t, "moving.csv", patients(50, patientColumns, patientRow))
	b.choose("own-files", path)
	b.step("asking")
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.press("own-read")
	stays("moving.csv was changed or removed while it was read: choose it again.")

	// Four gigabytes, of which the disk holds little.
	path = file(t, "huge.csv", patients(100_000, patientColumns, patientRow))
	if err := os.Truncate(path, 4<<30); err != nil {
		t.Fatal(err)
	}
	b.choose("own-files", path)
	b.step("asking")
	b.press("own-read")
	await(t, "the page says that it is too long", func() bool {
		return strings.Contains(b.text("own-error"), "the task takes at most 100000. Choose a part of it.")
	})

	// A file that is dropped.
	content := patients(40, patientColumns, patientRow)
	js[bool](b, fmt.Sprintf(`(() => { const d = new DataTransfer(); d.items.add(new File([%q], "dropped.csv"));
		document.getElementById("own").dispatchEvent(new DragEvent("drop", { dataTransfer: d, bubbles: true, cancelable: true })); return true })()`, content))
	b.step("asking")
	b.press("own-read")
	b.shows("Ready: 40 rows from dropped.csv")
}

// behind serves a coordinator's page with a script before that of its worker.
func behind(t *testing.T, c *coordinator, script string) string {
	t.Helper()
	target, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the page's origin
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/own.") {
			w.Header().Set("Content-Type", "text/javascript")
			answer, err := http.Get(strings.TrimSuffix(c.url(), "/") + r.URL.Path)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			fmt.Fprintln(w, script)
			io.Copy(w, answer.Body)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.CloseClientConnections)
	return front.URL + "/"
}

// A browser that keeps nothing, has no room, or has no file system: the data is usable,
// and the page says whether a reload finds it.
func TestOwnStorage(t *testing.T) {
	for _, test := range []struct{ name, script, says string }{
		{"denied", `navigator.storage.getDirectory = async () => { throw new DOMException("no", "SecurityError") }; indexedDB.open = () => { throw new DOMException("no", "SecurityError") };`,
			"This browser keeps no data for this page, as in a private window."},
		{"full", `FileSystemSyncAccessHandle.prototype.write = () => { throw new DOMException("full", "QuotaExceededError") };`,
			"This browser has no room left to keep your data."},
		{"no file system", `delete FileSystemFileHandle.prototype.createSyncAccessHandle;`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serve(t, ownTable())
			b := open(t, behind(t, c, test.script))
			b.choose("own-files", file(t, "ward.csv", patients(50, patientColumns, patientRow)))
			b.press("own-read")
			b.step("ready")
			if test.says == "" {
				await(t, "the table is kept", func() bool { return b.kept() == "ward.csv" })
				b.reload()
				b.step("ready")
				b.shows("Ready: 50 rows from ward.csv")
				return
			}
			b.shows(test.says)
			b.press("join")
			await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
		})
	}
}

// Firefox reads, keeps and trains on a table and on pictures as well.
func TestFirefoxOwn(t *testing.T) {
	f := startFirefox(t)
	choose := func(id string, paths ...string) {
		t.Helper()
		await(t, "files can be chosen", func() bool {
			return f.js(fmt.Sprintf("String(document.getElementById(%q)?.offsetParent != null && document.getElementById('own-state').dataset.step !== '')", id)) == "true"
		})
		var found struct{ Nodes []struct{ SharedID string } }
		f.call("browsingContext.locateNodes", fmt.Sprintf(`{"context": %q, "locator": {"type": "css", "value": "#%s"}}`, f.page, id), &found)
		files, err := json.Marshal(paths)
		if err != nil || len(found.Nodes) != 1 {
			t.Fatalf("%d fields, %v", len(found.Nodes), err)
		}
		f.call("input.setFiles", fmt.Sprintf(`{"context": %q, "element": {"sharedId": %q}, "files": %s}`, f.page, found.Nodes[0].SharedID, files), nil)
	}
	over := func(c *coordinator, name string) {
		t.Helper()
		f.press("join")
		await(t, "the run is finished", func() bool { return c.state(name).Phase == "finished" })
	}

	c := serve(t, ownTable())
	f.to(c.url())
	choose("own-files", file(t, "ward.csv", patients(80, patientColumns, patientRow)))
	f.press("own-read")
	f.shows("Kept in this browser, for this page only")
	f.to(c.url())
	f.shows("Ready: 80 rows from ward.csv")
	over(c, "patients")

	c = serve(t, ownPictures())
	f.to(c.url())
	dir := folder(t, 5)
	for k, class := range []string{"Cat", "dog"} {
		await(t, "a class can be chosen", func() bool {
			return f.js(fmt.Sprintf("(() => { const e = document.getElementById('own-class'); if (!e?.offsetParent) return ''; e.value = '%d'; return e.value })()", k)) == fmt.Sprint(k)
		})
		paths, err := filepath.Glob(filepath.Join(dir, class, "*.png"))
		if err != nil {
			t.Fatal(err)
		}
		choose("own-files", paths...)
		f.shows(fmt.Sprintf("%d pictures", 5*(k+1)))
	}
	f.shows("cat: 5, dog: 5")
	over(c, "pets")
}
