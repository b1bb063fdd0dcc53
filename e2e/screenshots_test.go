package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestScreenshots takes screenshots of the page in its states, light and dark, wide
// and narrow, for a review by eye.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("only with -screenshots FOLDER: the pictures are for people")
	}
	c := serve(t, digits("rounds: 15", "rounds: 8"))
	b := open(t, c.url())
	await(t, "the page is ready", func() bool { return js[bool](b, "!document.getElementById('join')?.disabled") })
	b.pictures("1-ready")
	b.join()
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 5 })
	b.press("pause")
	b.pictures("2-paused")
	b.press("pause")
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	b.pictures("3-training")
	kept := js[string](b, "JSON.stringify(Object.fromEntries(Object.entries(sessionStorage)))")
	newer := open(t, c.url(), fmt.Sprintf("if (!sessionStorage.length) for (const [k, v] of Object.entries(%s)) sessionStorage.setItem(k, v)", kept))
	await(t, "the tab is superseded", func() bool { return b.state("connection") == "superseded" })
	b.pictures("5-superseded")
	b.offline = true
	b = newer
	await(t, "the other tab goes on", func() bool { return b.state("connection") == "joined" })
	b.offline = true
	c.stop(syscall.SIGKILL)
	await(t, "the tab tries again", func() bool { return b.state("connection") == "reconnecting" })
	b.pictures("6-reconnecting")
	c.start()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	b.pictures("4-finished")
	b = open(t, serve(t, digits("lr: 0.1", "lr: 0.1, combine: median")).url())
	b.join()
	await(t, "the tab waits for others", func() bool { return js[bool](b, "document.body.innerText.includes('waiting for 2 more participants')") })
	b.pictures("7-too-few")
	b = open(t, serve(t, invited()).url())
	b.says("This task is joined by invite")
	b.pictures("8-invite")
	b.fill("invite", "please")
	b.press("join")
	b.says("This is not a valid invite")
	b.pictures("9-no-invite")
	b.fill("invite", "")
	b.press("join")
	b.says("This task needs an invite")
	b.pictures("10-uninvited")
	port := freePort(t)
	public := fmt.Sprintf("http://study.example:%d", port)
	c = serve(t, digits("min_clients: 1", "min_clients: 2"), "--public-url", public, "--trusted-proxies", "")
	proxies[0].run(t, c, port)
	fill(t, c.url()[:len(c.url())-1])
	b = open(t, public+"/")
	b.offline = true
	await(t, "the page is ready", func() bool { return js[bool](b, "!(document.getElementById('join')?.disabled ?? true)") })
	b.pictures("11-without-tls")
	b.press("join")
	await(t, "the tab is turned away", func() bool { return js[bool](b, "document.body.innerText.includes('--trusted-proxies')") })
	b.pictures("12-turned-away")
}

func (b *tab) pictures(name string) {
	b.t.Helper()
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			emulate := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				})
				return err
			})
			if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 900), emulate); err != nil {
				b.t.Fatal(err)
			}
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}
