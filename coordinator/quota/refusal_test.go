package quota

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/protocol"
)

func TestRefuse(t *testing.T) {
	proxies, err := ParseProxies("10.0.0.1,127.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	const stranger, proxy, here = "198.51.100.9:1", "10.0.0.1:1", "127.0.0.1:1"
	for _, test := range []struct {
		err          error
		peer, client string
		code         string
		status       int
		retry        string
		todo, log    string
	}{
		{ErrFull, stranger, "", "full", 503, "30", "try again later", ""},
		{ErrFull, stranger, "203.0.113.7", "full", 503, "30", "try again later", ""},
		{ErrAddress, stranger, "", "address", 429, "30", "close some of them", "--per-address"},
		{ErrAddress, stranger, "203.0.113.7", "proxy", 429, "30", "--trusted-proxies", ""},
		{ErrAddress, proxy, "203.0.113.7", "address", 429, "30", "close some of them", "--per-address"},
		{ErrAddress, proxy, "", "proxy", 429, "30", "have the proxy set X-Forwarded-For", ""},
		{ErrAddress, proxy, "unknown", "proxy", 429, "30", "drop Forwarded", ""},
		{ErrAddress, here, "", "address", 429, "30", "close some of them", "--per-address"},
		{ErrAddress, here, "unknown", "proxy", 429, "30", "drop Forwarded", ""},
		{fmt.Errorf("events: %w", ErrPace), stranger, "", "pace", 429, "10", "wait", "--per-address"},
		{ErrPace, stranger, "203.0.113.7", "proxy", 429, "30", "--trusted-proxies", ""},
		{ErrPace, proxy, "", "proxy", 429, "30", "X-Forwarded-For", ""},
		{ErrStopping, proxy, "", "stopping", 503, "60", "try again in a minute", ""},
	} {
		request := &http.Request{RemoteAddr: test.peer, Header: http.Header{}}
		if test.client != "" {
			request.Header.Set(forwardedFor, test.client)
		}
		r := Addresses{Proxies: proxies}.Refuse(test.err, request)
		h := http.Header{}
		r.SetRetry(h)
		if r.Code != test.code || r.Status != test.status || h.Get("Retry-After") != test.retry || !strings.Contains(r.Text, test.todo) {
			t.Errorf("%v, %s for %q: got %+v, want %s, %d, %s s and %q", test.err, test.peer, test.client, r, test.code, test.status, test.retry, test.todo)
		}
		if reason := r.Reason(); !strings.HasPrefix(reason, r.Text) || !strings.Contains(reason, test.log) || test.log == "" && reason != r.Text {
			t.Errorf("%v, %s for %q: the log has %q, want %q and %q", test.err, test.peer, test.client, reason, r.Text, test.log)
		}
	}
	if r := (Addresses{}).Refuse(nil, &http.Request{}); r != nil {
		t.Errorf("no error is refused: %v", r)
	}
}

// A code is due once a minute for each address, and no flood of addresses makes more of
// them due than are remembered.
func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Notices
		due := func(addresses int, codes ...string) (count int) {
			for i := range addresses {
				for _, code := range codes {
					if n.Due(fmt.Sprint(i), code) {
						count++
					}
				}
			}
			return count
		}
		if got := due(3, "host") + due(3, "host", "pace"); got != 6 {
			t.Errorf("two codes of 3 addresses are due %d times within a minute, want 6", got)
		}
		time.Sleep(noticeEvery)
		if got := due(3, "host"); got != 3 {
			t.Errorf("a code of 3 addresses is due %d times after a minute, want 3", got)
		}
		if got := due(10*protocol.MaxLoggedAddresses, "host") + 3; got != protocol.MaxLoggedAddresses {
			t.Errorf("%d are due in a flood of addresses, want %d", got, protocol.MaxLoggedAddresses)
		}
		if !n.Due("0", "pace") {
			t.Error("another code of an address is not due in a flood of addresses")
		}
		time.Sleep(noticeEvery)
		if got := due(10*protocol.MaxLoggedAddresses, "host"); got != protocol.MaxLoggedAddresses {
			t.Errorf("%d are due a minute later, want %d", got, protocol.MaxLoggedAddresses)
		}
	})
}

func TestNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Notice
		for i, want := range []bool{true, false, true, false} {
			if i == 2 {
				time.Sleep(noticeEvery)
			}
			if got := n.Due(); got != want {
				t.Errorf("call %d: due %v, want %v", i+1, got, want)
			}
		}
	})
}

// Ready says what Allow would, and counts nothing.
func TestPaceReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(1, 2)
		for i := range 4 {
			ready := p.Ready("a")
			if again := p.Ready("a"); again != ready || p.Allow("a") != ready || ready != (i < 2) {
				t.Errorf("step %d: ready %v and then %v, want %v", i, ready, again, i < 2)
			}
		}
		time.Sleep(time.Second / 2)
		if p.Ready("a") {
			t.Error("ready after half a turn")
		}
		time.Sleep(time.Second)
		if !p.Ready("a") || !p.Ready("") || !p.Ready("b") {
			t.Error("not ready after a turn")
		}
	})
}
