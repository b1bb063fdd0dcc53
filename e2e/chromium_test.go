package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var (
	browserOnce sync.Once
	browserCtx  context.Context
	browserErr  error
	closers     []func()
)

func closeBrowser() {
	for _, f := range closers {
		f()
	}
}

func chromiumPath() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium: run make browsers")
}

// launch starts a headless Chromium, until stop is called.
func launch(flags ...chromedp.ExecAllocatorOption) (ctx context.Context, stop func(), err error) {
	path, err := chromiumPath()
	if err != nil {
		return nil, func() {}, err
	}
	dir, err := os.MkdirTemp("", "fedtab-chromium-")
	if err != nil {
		return nil, func() {}, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true), // a camera that may be used
		chromedp.Flag("ignore-certificate-errors", true), // those of tests have a root of their own
		// A name that is not localhost's: pages of it without TLS are not secure.
		chromedp.Flag("host-resolver-rules", "MAP study.example 127.0.0.1"),
	)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	return ctx, func() { cancel(); end(); os.RemoveAll(dir) }, chromedp.Do(ctx)
}

// browser is one headless Chromium for all tests; each tab is a target of its
// own.
func browser(t *testing.T) context.Context {
	t.Helper()
	browserOnce.Do(func() {
		var stop func()
		browserCtx, stop, browserErr = launch(chromedp.Flag("disable-gpu", true))
		closers = append(closers, stop)
	})
	if browserErr != nil {
		t.Fatal(browserErr)
	}
	return browserCtx
}

// tab is a page in the browser.
type tab struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	host   string

	mu       sync.Mutex
	problems []string // requests to other hosts, console errors and exceptions
	offline  bool     // failures to reach the coordinator are expected
}

// profile is the browser with nothing kept from before: a tab of it that is opened first
// fetches everything.
func profile(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// open shows a coordinator's page in a new tab. A request to another host, an
// error on the console or an exception fails the test.
func open(t *testing.T, address string, scripts ...string) *tab {
	t.Helper()
	b := blank(t, browser(t), address, scripts...)
	// Cookies know no ports: the language of another test's page must not be this one's.
	clear := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.ClearBrowserCookies, cdp.Empty{})
		return err
	})
	if err := chromedp.Do(b.ctx, clear, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	return b
}

// blank is a new tab of a browser or a profile that is to show a page.
func blank(t *testing.T, in context.Context, address string, scripts ...string) *tab {
	t.Helper()
	return lasting(t, in, 4*patience, address, scripts...)
}

// lasting is blank for a tab that may be open for longer.
func lasting(t *testing.T, in context.Context, limit time.Duration, address string, scripts ...string) *tab {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(in)
	ctx, stop := context.WithTimeout(ctx, limit)
	b := &tab{t: t, ctx: ctx, cancel: func() { stop(); cancel() }, host: u.Host}
	t.Cleanup(func() {
		b.mu.Lock()
		problems := slices.Clone(b.problems) // what closing the tab breaks off is none
		b.mu.Unlock()
		b.cancel()
		for _, p := range problems {
			t.Error(p)
		}
	})
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		add := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: s})
			return err
		})
		if err := chromedp.Do(ctx, add); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// expected reports whether an error on the console is one of those that a test wants:
// of a network that fails, of a handshake or a stream that is refused, of a service
// worker whose script is fetched just then, or of a header that counts for encrypted pages
// only.
func (b *tab) expected(text string) bool {
	broken := strings.Contains(text, "ERR_") || strings.HasPrefix(text, "WebSocket connection to") ||
		strings.HasPrefix(text, "Failed to load resource") || strings.HasPrefix(text, "An unknown error occurred when fetching the script.")
	return b.offline && broken || strings.HasPrefix(text, "The Cross-Origin-Opener-Policy header has been ignored")
}

func (b *tab) watch(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := func(format string, args ...any) {
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(ev.Request.URL)
		if err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Host != b.host {
			problem("a request to another host: %s", ev.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		problem("an exception in the page: %+v", ev.ExceptionDetails)
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError && !b.expected(ev.Entry.Text) {
			problem("an error on the console: %s %s", ev.Entry.Text, ev.Entry.URL)
		}
	}
}

// js evaluates an expression in the page, again if the page is left meanwhile for
// the one that a reload brings.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	for err != nil && left(err) {
		v, err = chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// left reports whether an expression had no answer because its page was left.
func left(err error) bool {
	for _, text := range []string{"Inspected target navigated", "Execution context was destroyed", "Cannot find context"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// text returns what an element shows.
func (b *tab) text(id string) string {
	b.t.Helper()
	return js[string](b, fmt.Sprintf("document.getElementById(%q)?.textContent.trim() ?? ''", id))
}

// value returns an element's raw figure, and false while it is unknown.
func (b *tab) value(id string) (float64, bool) {
	b.t.Helper()
	s := js[string](b, fmt.Sprintf("document.getElementById(%q)?.dataset.value ?? ''", id))
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// attribute returns one of the data attributes of the state line.
func (b *tab) state(name string) string {
	b.t.Helper()
	return js[string](b, fmt.Sprintf("document.getElementById('state')?.dataset[%q] ?? ''", name))
}

// press waits until a button is enabled and presses it.
func (b *tab) press(id string) {
	b.t.Helper()
	await(b.t, "the button "+id+" can be pressed", func() bool {
		return js[bool](b, fmt.Sprintf("(() => { const e = document.getElementById(%q); if (!e || e.disabled || e.hidden) return false; e.click(); return true })()", id))
	})
}

// join presses Join training and waits until the tab takes part.
func (b *tab) join() {
	b.t.Helper()
	b.press("join")
	await(b.t, "the tab has joined", func() bool { return b.state("connection") == "joined" })
}

// to shows a page in the tab.
func (b *tab) to(address string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		b.t.Fatal(err)
	}
}
