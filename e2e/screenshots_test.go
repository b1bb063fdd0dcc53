package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScreenshots takes pictures of the page in its states, light and dark, wide and
// narrow, for a review by eye. Each part stands alone: -run TestScreenshots/home.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("only with -screenshots FOLDER: the pictures are for people")
	}
	t.Run("home", homePictures)
	t.Run("before", beforePictures)
	t.Run("training", trainingPictures)
	t.Run("trouble", troublePictures)
	t.Run("secure", securePictures)
	t.Run("invite", invitePictures)
	t.Run("finished", finishedPictures)
	t.Run("tables", tablePictures)
	t.Run("bench", benchPictures)
	t.Run("lab", labPictures)
	t.Run("readme", readmePictures)
	t.Run("dashboard", dashboardPictures)
}

// Home with open and finished tasks, of an organiser and without one, in both languages;
// the projector's page; a page that there is not.
func homePictures(t *testing.T) {
	c := serve(t, short("rounds: 8"), "--task", "own-clothes", "--task", "anes96", "--task", "own-vote", "--task", "own-digits")
	b := open(t, c.url())
	b.shows("Teach a model together")
	b.pictures("home-1-several")
	b.to(c.url() + "?lang=de")
	b.shows("Clinton oder Dole?")
	b.pictures("home-2-german")
	b.to(c.url() + "screen?lang=en")
	b.pictures("screen-1-home")
	b.to(c.url() + "t/none")
	b.shows("There is no such page")
	b.pictures("absent")
	b.absent()

	b.to(c.url() + "t/digits")
	b.ready()
	b.join()
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 3 })
	b.press("pause")
	screen := open(t, c.url()+"screen?task=digits")
	await(t, "there is a result", func() bool { return screen.text("screen-result") != "" })
	screen.pictures("screen-2-training")
	home := open(t, c.url())
	home.shows("1 participant now")
	home.pictures("home-3-training")
	b.press("pause")
	await(t, "the run is finished", func() bool { return c.state("digits").Finished != "" })
	home.shows("Finished")
	home.pictures("home-4-finished")
	screen.pictures("screen-3-finished")

	c = serve(t, short("rounds: 1"), "--site", site(t))
	b = open(t, c.url())
	b.shows("School of Data")
	b.pictures("organiser-1-task")
	b.join()
	await(t, "the run is finished", func() bool { return c.state("digits").Finished != "" })
	b.to(c.url())
	b.shows("School of Data")
	b.pictures("organiser-2-nothing-open")
}

// short is the task of digits with a small model, which needs little time.
func short(rounds string) string {
	return digits("title: Handwritten digits", described, "hidden: [200, 200]", "hidden: [32]", "batch: 10", "batch: 50", "rounds: 15", rounds)
}

// Tasks before joining, before and after their program has come.
func beforePictures(t *testing.T) {
	c := serve(t, digits(), "--task", "anes96", "--task", "own-vote", "--task", "own-digits")
	l := connect(t, c, 0, 0, 0)
	l.hold(func(path string) bool { return strings.HasSuffix(path, ".wasm") })
	b := open(t, l.url()+"t/digits")
	b.shows("Understand")
	b.pictures("before-1-loading")
	l.release()
	b.ready()
	b.pictures("before-2-pictures")
	b.press("effort-fold")
	b.press("details-fold")
	await(t, "the details are open", func() bool {
		return js[bool](b, "!document.getElementById('details-content').hidden && !document.getElementById('effort-content').hidden")
	})
	b.pictures("before-3-details")
	for _, page := range []struct{ address, words, name string }{
		{"t/anes96", "Understand", "4-table"},
		{"t/own-vote", "Understand", "5-own-table"},
		{"t/own-digits", "Understand", "6-own-pictures"},
		{"t/digits?lang=de", "Verstehen", "7-german"},
		{"t/own-vote?lang=de", "Verstehen", "8-german-own"},
	} {
		b := open(t, c.url()+page.address)
		b.shows(page.words)
		b.runs()
		await(t, "the details are put away", func() bool {
			return js[bool](b, "(() => { const away = document.getElementById('details-content').hidden; if (!away) document.getElementById('details-fold').click(); return away })()")
		})
		b.pictures("before-" + page.name)
	}
}

// A tab that takes part: waiting for others, training, paused by hand and by settings.
func trainingPictures(t *testing.T) {
	few := serve(t, digits("min_clients: 1", "min_clients: 3"))
	b := open(t, few.url())
	b.join()
	b.shows("waiting for 2 more participants")
	b.pictures("training-1-waiting")

	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b = open(t, c.url(), `navigator.getBattery = async () => Object.assign(new EventTarget(), { charging: false })`)
	b.join()
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 5 })
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	b.pictures("training-2-training")
	b.press("pause")
	await(t, "the tab pauses", func() bool { return b.state("activity") == "paused" })
	b.pictures("training-3-paused")
	b.press("effort-fold")
	b.press("understand-fold")
	b.press("moved-fold")
	b.press("details-fold")
	await(t, "the details are open", func() bool { return js[bool](b, "!document.getElementById('details-content').hidden") })
	b.pictures("training-4-all-open")
	b.press("details-fold")
	b.press("moved-fold")
	b.press("understand-fold")
	b.press("pause")
	b.click("#pause-battery")
	await(t, "the settings pause the tab", func() bool { return b.state("activity") == "paused" })
	b.pictures("training-5-held")
	b.press("leave")
	await(t, "the tab has left", func() bool { return b.state("connection") == "left" })
	b.pictures("training-6-left")
}

// A tab that cannot take part, or no longer.
func troublePictures(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := open(t, c.url())
	b.join()
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 2 })
	kept := js[string](b, "JSON.stringify(Object.fromEntries(Object.entries(sessionStorage)))")
	newer := open(t, c.url(), fmt.Sprintf("if (!sessionStorage.length) for (const [k, v] of Object.entries(%s)) sessionStorage.setItem(k, v)", kept))
	await(t, "the tab is superseded", func() bool { return b.state("connection") == "superseded" })
	b.pictures("trouble-1-superseded")
	b.offline = true
	b = newer
	await(t, "the other tab goes on", func() bool { return b.state("connection") == "joined" })
	b.offline = true
	c.stop(syscall.SIGKILL)
	await(t, "the tab tries again", func() bool { return b.state("connection") == "reconnecting" })
	b.pictures("trouble-2-reconnecting")
	js[bool](b, "window.dispatchEvent(new Event('offline'))")
	b.notice("You are offline: what is here still works.")
	b.pictures("trouble-3-offline")

	port := freePort(t)
	public := fmt.Sprintf("http://study.example:%d", port)
	proxies[0].run(t, serve(t, digits(), "--public-url", public), port)
	b = open(t, public+"/")
	await(t, "the page warns", func() bool { return js[bool](b, "document.getElementById('plain')?.hidden === false") })
	b.pictures("trouble-4-without-tls")
	full := serve(t, digits("min_clients: 1", "min_clients: 2"), "--count-loopback")
	fill(t, strings.TrimSuffix(full.url(), "/"))
	b = open(t, full.url())
	b.offline = true
	b.press("join")
	await(t, "the tab is turned away", func() bool { return b.state("connection") == "reconnecting" })
	b.pictures("trouble-5-turned-away")
}

func invitePictures(t *testing.T) {
	b := open(t, serve(t, invited()).url())
	b.says("This task is joined by invite")
	b.pictures("invite-1-wanted")
	b.fill("invite", "please")
	b.press("join")
	b.says("This is not a valid invite")
	b.pictures("invite-2-invalid")
	b.fill("invite", "")
	b.press("join")
	b.says("This task needs an invite")
	b.pictures("invite-3-refused")
}

// A run from its end: thanks, trying the model, keeping it, and what has left the tab.
func finishedPictures(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 12"))
	b := open(t, c.url()+"t/digits")
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	b.pictures("finished-1-thanks")
	b.press("try-open")
	await(t, "there is a place to draw", func() bool { return js[bool](b, "Boolean(document.querySelector('#try-canvas canvas'))") })
	b.pictures("finished-2-try")
	b.draw("try-canvas", point{.3, .2}, point{.72, .2}, point{.45, .85})
	await(t, "the seven is recognised", func() bool { return strings.HasPrefix(b.text("try-says"), "7, ") })
	b.pictures("finished-3-seven")
	b.press("moved-fold")
	b.press("details-fold")
	await(t, "the details are open", func() bool { return js[bool](b, "!document.getElementById('details-content').hidden") })
	b.pictures("finished-4-details")
	b.to(c.url() + "t/digits?lang=de")
	b.shows("Verstehen")
	b.pictures("finished-5-german")
}

// A table: training with one's own, and the form that tries its model.
func tablePictures(t *testing.T) {
	c := serve(t, ownTable("rounds: 4", "rounds: 3"))
	b := open(t, c.url())
	b.step("none")
	b.choose("own-files", file(t, "ward.csv", patients(60, patientColumns, patientRow)))
	b.step("asking")
	b.pictures("tables-1-asking")
	b.press("own-read")
	b.step("ready")
	b.pictures("tables-2-ready")
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	b.press("try-open")
	await(t, "there is a form", func() bool {
		return js[int](b, "document.querySelectorAll('#try-form input, #try-form select').length") > 0
	})
	b.pictures("tables-3-finished")
}

// The page that measures: before, meanwhile, afterwards and in German; one that has failed.
func benchPictures(t *testing.T) {
	c := serve(t, digits(), "--task", "anes96")
	b := open(t, c.url()+"bench")
	d := device{t, func(expression string) string { return js[string](b, expression) }}
	b.shows("Measure")
	b.pictures("bench-1-before")
	d.press("bench-measure")
	d.says("8 of 9")
	b.pictures("bench-2-measuring")
	d.says("Measured")
	b.pictures("bench-3-measured")
	t.Log(d.js("document.getElementById('bench-rows').innerText"))
	d.js("(document.getElementById('bench').dataset.images = 'data/none', '')")
	d.press("bench-measure")
	d.says("could not be loaded")
	b.absent()
	b.pictures("bench-4-failed")
	b.to(c.url() + "bench?lang=de")
	b.shows("Wie schnell")
	d.short()
	d.press("bench-measure")
	d.says("Gemessen")
	b.pictures("bench-5-german")
	b = open(t, serve(t, ownTable()).url()+"bench")
	b.shows("No task here has MNIST")
	b.pictures("bench-6-without-images")
}

// The lab: its list, and each page at first, played or changed, and in German.
func labPictures(t *testing.T) {
	c := serve(t, digits())
	b := open(t, c.url()+"lab")
	b.shows("Radon points")
	b.pictures("lab-1-list")
	for i, address := range []string{
		"race", "race?step=240&slow=0.1", "race?step=500&model=0&lane3=9&lane5=7&lane1=8&clients=20", "race?step=300&data=2&lane4=0&lang=de", "race?step=200&data=1&model=0&liars=2&clients=20&skew=0.1&lane2=9",
		"radon", "radon?step=2&bad=3&poison=3&p=2.2,3_7.2,2.4_5.6,8_5.2,1.3", "surface", "surface?step=60&starts=1", "surface?step=200&rate=0.02", "lambda", "lambda?lambda=1e-06&noise=0.3",
		"packing?step=40", "packing?bits=4",
		"leaks", "leaks?n=8&picture=3", "leaks?n=64&units=256&codec=2", "lambda?lambda=0.01&lang=de", "packing?codec=3&bits=0.5&step=20", "leaks?n=4&units=0", "leaks?n=2&sees=5&noise=0.003&clip=0.1&lang=de",
		"nodes", "nodes?m=50&scale=2&same=1&lang=de",
	} {
		b.to(c.url() + "lab/" + address)
		b.stand()
		page, _, _ := strings.Cut(address, "?")
		b.pictures(fmt.Sprintf("lab-%d-%s", i+2, page))
	}
	b = open(t, c.url()+"lab/race?step=225&slow=0.1")
	b.stand()
	b.sight("readme-lab", "lab-play")
}

// The pictures of the README: home, and a task before joining, in training, and tried.
func readmePictures(t *testing.T) {
	c := serve(t, digits("title: Handwritten digits", described), "--task", "own-clothes", "--task", "own-vote")
	b := open(t, c.url()+"t/digits")
	b.ready()
	b.sight("readme-task", "")
	b.join()
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 6 })
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	b.sight("readme-training", "")
	home := open(t, c.url())
	home.shows("1 participant now")
	home.sight("readme-home", "")
	b.press("try-open")
	await(t, "there is a place to draw", func() bool { return js[bool](b, "Boolean(document.querySelector('#try-canvas canvas'))") })
	b.draw("try-canvas", point{.3, .2}, point{.72, .2}, point{.45, .85})
	await(t, "the seven is recognised", func() bool { return strings.HasPrefix(b.text("try-says"), "7, ") })
	b.sight("readme-try", "try")
}

// The dashboard: its pages with a run, and what the README shows of them.
func dashboardPictures(t *testing.T) {
	c := serve(t, digits("title: Handwritten digits", described, "rounds: 15", "rounds: 1000"), "--admin-addr", "127.0.0.1:0")
	b := c.dashboard()
	for range 3 {
		visitor(t, c.url()).join()
	}
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 12 })
	b.pictures("dashboard-1-runs")
	b.at("#/run/digits")
	await(t, "charts are drawn", func() bool { return js[int](b, "document.querySelectorAll('#charts .curve').length") > 8 })
	b.pictures("dashboard-2-run")
	b.sight("readme-dashboard", "")
	b.press("stop")
	b.tells("ask-title", "Stop")
	b.pictures("dashboard-3-question")
	b.press("ask-no")
	b.at("#/new")
	b.set("preset", "mnist-2nn")
	b.tells("make-state", "can be started")
	b.pictures("dashboard-4-new")
	b.sight("readme-newrun", "")
	b.set("set-strategy.fraction", "7")
	b.tells("faults", "fraction")
	b.pictures("dashboard-5-fault")
	b.at("#/invites")
	b.press("open-link")
	await(t, "there is a code", func() bool { return js[bool](b, "Boolean(document.querySelector('#qr svg'))") })
	b.pictures("dashboard-6-invites")
	b.at("#/compare/" + c.state("digits").Run + ",none")
	await(t, "a run is drawn", func() bool { return js[bool](b, "Boolean(document.querySelector('#comparison .curve'))") })
	b.pictures("dashboard-7-compare")
	b.at("#/orders")
	b.pictures("dashboard-8-orders")
	b.press("out")
	await(t, "the form is there", func() bool { return js[bool](b, "document.getElementById('token').offsetParent !== null") })
	b.pictures("dashboard-9-sign-in")
}

// described is the title of digits with a description.
const described = "title: Handwritten digits\ndescription: A small neural network learns to read handwritten digits from 60,000 examples, a share of which goes to every tab that takes part."

// sight writes what a wide screen shows, light, from an element on, or from the top.
func (b *tab) sight(name, id string) {
	b.t.Helper()
	b.emulate(1280, "light")
	js[bool](b, fmt.Sprintf("scrollTo(0, (document.getElementById(%q)?.offsetTop ?? 0) - 20), true", id))
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(name, png)
}

// write writes a picture.
func (b *tab) write(name string, png []byte) {
	b.t.Helper()
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// pictures writes what the page shows, light and dark, 1280 and 390 pixels wide.
func (b *tab) pictures(name string) {
	b.t.Helper()
	// Curves are drawn once they are near.
	await(b.t, "the curves are drawn", func() bool {
		return js[bool](b, `(() => {
			const charts = [...document.querySelectorAll("#progressing [id^=chart-]:not(.blank)")].filter((chart) => chart.checkVisibility());
			charts[0]?.scrollIntoView();
			return charts.every((chart) => chart.querySelector("canvas"));
		})()`)
	})
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			b.emulate(width, scheme)
			js[bool](b, "scrollTo(0, 0), true") // or what sticks is where the page was scrolled to
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.t.Fatal(err)
			}
			b.write(fmt.Sprintf("%s-%d-%s", name, width, scheme), png)
		}
	}
}
