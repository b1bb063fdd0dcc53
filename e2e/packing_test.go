package e2e

import (
	"database/sql"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fedtab/protocol"

	"github.com/gorilla/websocket"
	_ "modernc.org/sqlite"
)

// digitsParameters is the number of parameters of the model of digits.
const digitsParameters = 199_210

// account is a row of the table traffic, with the number of the participant's
// contributions in that round.
type account struct {
	round, participant          int
	bytes, modelsUp, modelsDown int64
	contributions               int
}

// accounts reads the ledger of a stopped coordinator from its database.
func (c *coordinator) accounts(run string) []account {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.args[1], "fedtab.db")+"?mode=ro")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT t.round, t.participant, t.bytes_up + t.bytes_down, t.models_up, t.models_down,
		(SELECT count(*) FROM contributions c WHERE c.run = t.run AND c.round = t.round AND c.participant = t.participant)
		FROM traffic t WHERE t.run = ? ORDER BY t.round, t.participant`, run)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	var all []account
	for rows.Next() {
		var a account
		if err := rows.Scan(&a.round, &a.participant, &a.bytes, &a.modelsUp, &a.modelsDown, &a.contributions); err != nil {
			c.t.Fatal(err)
		}
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// checkAccounts checks that the bytes of every participant in every round, frame
// headers included, are less than a twentieth of its models as raw float32. The first
// rounds start from version 0, which is not sent. It stops the coordinator to read its
// database.
func checkAccounts(t *testing.T, c *coordinator, run string, rounds int) {
	t.Helper()
	c.stop(syscall.SIGTERM)
	const after, times = 3, 20
	checked := map[int]int{} // participants by round
	smallest, idle := 1e9, 0
	for _, a := range c.accounts(run) {
		if a.round <= after || a.round > rounds {
			continue
		}
		if a.contributions > 0 && a.modelsUp < 1 {
			t.Errorf("round %d has a contribution of participant %d, whose account has no model up: %+v", a.round, a.participant, a)
		}
		models := a.modelsUp + a.modelsDown
		if models == 0 { // it was not in the round's cohort: nothing to compare its status messages with
			idle++
			continue
		}
		checked[a.round]++
		ratio := float64(4*digitsParameters*models) / float64(a.bytes)
		smallest = min(smallest, ratio)
		if ratio < times {
			t.Errorf("round %d, participant %d: %d bytes for %d models up and %d down; ratio of raw float32: %.1f, want at least %d",
				a.round, a.participant, a.bytes, a.modelsUp, a.modelsDown, ratio, times)
		}
	}
	total := 0
	for round := after + 1; round <= rounds; round++ {
		total += checked[round]
		if checked[round] == 0 {
			t.Errorf("round %d has no account with a model", round)
		}
	}
	t.Logf("min ratio of raw float32: %.1f in %d accounts of rounds %d to %d; %d accounts without a model, of participants that were not chosen",
		smallest, total, after+1, rounds, idle)
}

// oldProgram is a proxy between a tab and a coordinator that removes a codec from the
// tab's program, as in an older build: from its Hello, and from its messages to the
// page.
func oldProgram(t *testing.T, c *coordinator, lacks protocol.Codec) string {
	t.Helper()
	to, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1 // the event stream
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasPrefix(r.Request.URL.Path, "/tab.") || !strings.HasSuffix(r.Request.URL.Path, ".js") {
			return nil
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		script := "{ const post = self.postMessage.bind(self); self.postMessage = (m, ...rest) => { if (m.type === 'ready') m.codecs = m.codecs.split(' ').filter((c) => c !== '" +
			lacks.String() + "').join(' '); post(m, ...rest); }; }\n" + string(b)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(script)), int64(len(script))
		r.Header.Del("Content-Length")
		return nil
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			relay(t, w, r, "ws://"+c.addr+"/ws", func(h *protocol.Hello) {
				h.Codecs = slices.DeleteFunc(h.Codecs, func(c protocol.Codec) bool { return c == lacks })
			})
			return
		}
		r.Header.Del("Accept-Encoding") // a script is to be edited
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/"
}

// relay carries messages both ways, with the Hello edited.
func relay(t *testing.T, w http.ResponseWriter, r *http.Request, to string, edit func(*protocol.Hello)) {
	out, _, err := websocket.DefaultDialer.Dial(to, nil)
	if err != nil {
		t.Errorf("relay: %v", err)
		return
	}
	defer out.Close()
	in, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		t.Errorf("relay: %v", err)
		return
	}
	defer in.Close()
	pipe := func(from, to *websocket.Conn, change func([]byte) []byte) {
		defer from.Close()
		defer to.Close()
		for {
			kind, b, err := from.ReadMessage()
			if err != nil {
				if e, ok := err.(*websocket.CloseError); ok {
					to.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(e.Code, e.Text), time.Now().Add(patience))
				}
				return
			}
			if to.WriteMessage(kind, change(b)) != nil {
				return
			}
		}
	}
	go pipe(out, in, func(b []byte) []byte { return b })
	pipe(in, out, func(b []byte) []byte {
		if m, err := protocol.Decode(b); err == nil {
			if h, ok := m.(*protocol.Hello); ok {
				edit(h)
				return protocol.Append(nil, h)
			}
		}
		return b
	})
}

// A tab whose program lacks a codec of the task takes part with another codec, and
// its page shows that.
func TestTabLacksCodec(t *testing.T) {
	for _, test := range []struct {
		lacks protocol.Codec
		want  string
	}{
		{protocol.CodecGrid, "deadzone, 0.5 bits up; float32-planes down (this tab lacks grid)"},
		{protocol.CodecDeadzone, "float32 up (this tab lacks deadzone); grid down"},
	} {
		t.Run(test.lacks.String(), func(t *testing.T) {
			c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 3", "seed: 1", "compress: {up: {bits: 0.5}}\nseed: 1"))
			b := visitor(t, oldProgram(t, c, test.lacks)) // which keeps no newer script of an earlier test's port
			b.join()
			await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			await(t, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
			if got := strings.ReplaceAll(b.text("codec"), "\n", " "); got != test.want {
				t.Errorf("codec on the page: %q, want %q", got, test.want)
			}
			if *screenshots != "" {
				b.pictures("7-lacks-" + test.lacks.String())
			}
			if s := c.state("digits"); s.Version != 3 || *s.TestAccuracy < .8 {
				t.Errorf("version %d, test accuracy %.3f", s.Version, *s.TestAccuracy)
			}
		})
	}
}
