package e2e

import (
	"compress/gzip"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/organiser"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/static"

	"github.com/gorilla/websocket"
)

// testSocket is a hub without counters.
type testSocket struct{ http.Handler }

func (testSocket) Counts() hub.Counts                { return hub.Counts{} }
func (testSocket) Door(*http.Request) *quota.Refusal { return nil }
func (testSocket) Refused(string)                    {}

// A tab's update equals a native client's for the same order, up to the
// rounding of their processors. The coordinator is the test: it gives both
// the same order.
func TestTabEqualsNative(t *testing.T) {
	tk, err := task.Parse("digits.yaml", []byte(digits()))
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	initial := make([]float32, m.Layout().Size)
	m.Init(initial, tk.Seed)
	hash := learn.Hash(initial)
	welcome := &protocol.Welcome{
		Participant: 1, Run: "test", Seed: tk.Seed, InitialHash: hash[:], Parameters: uint64(len(initial)),
		Model: protocol.ModelSpec{Input: []uint32{28, 28}, Layers: []protocol.Layer{
			{Kind: protocol.LayerDense, Units: 200, Activation: protocol.ActivationReLU},
			{Kind: protocol.LayerDense, Units: 200, Activation: protocol.ActivationReLU},
			{Kind: protocol.LayerDense, Units: 10},
		}},
	}
	shards := &protocol.Shards{Shards: []uint32{3, 14, 15, 92}, Total: 100}
	order := func(number uint64) *protocol.Order {
		return &protocol.Order{
			Order: number, Kind: protocol.OrderFit, Round: 1, BaseHash: hash[:], Seed: 42,
			Hyper: protocol.Hyper{Epochs: 1, Batch: 10, LR: .1},
		}
	}

	// The tab may start with a part of its shards. The order is repeated until it
	// has trained on all of them.
	answers := make(chan *protocol.Contribution, 1)
	socket := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader websocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		send := func(m protocol.Message) { conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, m)) }
		var body protocol.Assembler
		number := uint64(1)
		for {
			_, frame, err := conn.ReadMessage()
			if err != nil {
				return
			}
			m, err := protocol.Decode(frame)
			if err != nil {
				t.Error(err)
				return
			}
			switch got := m.(type) {
			case *protocol.Hello:
				send(welcome)
				send(shards)
				send(order(number))
			case *protocol.Contribution:
				if err := body.Start(got, protocol.MaxBody(welcome.Parameters, 1), nil); err != nil {
					t.Error(err)
					return
				}
			case *protocol.Chunk:
				whole, err := body.Add(got)
				if err != nil {
					t.Error(err)
					return
				}
				if c, ok := whole.(*protocol.Contribution); ok {
					if c.Weight == 2400 {
						answers <- c
						return
					}
					send(&protocol.Ack{Order: number})
					number++
					send(order(number))
				}
			}
		}
	})
	if err := d.Pack(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	shards.Source = web.DataPath(tk, d)
	study := &web.Study{Task: tk, Data: d, Model: m, Feed: web.NewFeed(run.State{Phase: protocol.PhaseWaiting}, nil)}
	study.SetRun("test")
	site, err := web.NewSite("", "", quota.Addresses{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	frame, err := static.OpenFrame()
	if err != nil {
		t.Fatal(err)
	}
	by, err := organiser.Open("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(web.New(web.NewStudies(study), testSocket{socket}, web.NewPages(frame, by), static.Handler(), site, web.Limits{}, slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })

	b := open(t, s.URL+"/")
	b.offline = true // the test closes the socket after the contribution
	b.press("join")
	var fromTab *protocol.Contribution
	select {
	case fromTab = <-answers:
	case <-time.After(patience):
		t.Fatal("the tab sent nothing")
	}
	b.press("leave")

	native := client.New(client.Config{Task: "digits"})
	for _, m := range []protocol.Message{welcome, shards, order(1)} {
		if _, err := native.Receive(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range native.Missing() {
		z, err := gzip.NewReader(d.Packed.Open(int(n)))
		if err != nil {
			t.Fatal(err)
		}
		set, err := data.ReadShard(z, 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		if err := native.AddShard(n, set); err != nil {
			t.Fatal(err)
		}
	}
	out := native.Work(native.NewWorkspace(), math.MaxInt)
	fromNative := out[len(out)-1].(*protocol.Contribution)

	decode := func(c *protocol.Contribution) []float32 {
		v := make([]float32, len(initial))
		if err := compress.Decode(c.Vectors[0].Codec, v, c.Vectors[0].Block); err != nil {
			t.Fatal(err)
		}
		return v
	}
	x, y := decode(fromTab), decode(fromNative)
	var difference, norm float64
	for i := range x {
		difference += float64(x[i]-y[i]) * float64(x[i]-y[i])
		norm += float64(y[i]) * float64(y[i])
	}
	relative := math.Sqrt(difference / norm)
	t.Logf("the updates differ by %.2g of their norm %.3g", relative, math.Sqrt(norm))
	if !(relative <= 1e-4) || norm == 0 {
		t.Errorf("the updates differ by %.3g of their norm, want at most 1e-4", relative)
	}
}
