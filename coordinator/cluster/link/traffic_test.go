package link

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/live"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// pupil is a participant at an edge without a socket: it answers each order with the same
// contribution, as a session would have decoded it.
type pupil struct {
	seat   hub.Seat
	orders chan *protocol.Order
	closed chan struct{}
	once   sync.Once
}

func (p *pupil) Send(m protocol.Message) {
	if o, ok := m.(*protocol.Order); ok {
		p.orders <- o
	}
}
func (p *pupil) SendShared(*run.Shared)           {}
func (p *pupil) Close(protocol.CloseCode, string) { p.once.Do(func() { close(p.closed) }) }
func (p *pupil) Fault()                           {}
func (p *pupil) Address() string                  { return "" }
func (p *pupil) serve(ctx context.Context, b *testing.B, values []float32, block []byte, answered *atomic.Int64) {
	for {
		select {
		case o := <-p.orders:
			c := &protocol.Contribution{Order: o.Order, Round: o.Round, Weight: 10, Metrics: protocol.Metrics{Examples: 10, Steps: 1, LossSum: 5},
				Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: bytes.Clone(o.BaseHash), Codec: protocol.CodecFloat32, Block: block}}}
			p.seat.Receive(&protocol.Progress{Order: o.Order}, run.Entry{Kind: protocol.KindProgress, Messages: 1, Bytes: 40, Up: true})
			if !p.seat.Wanted(c) {
				if ctx.Err() == nil { // at the end some are on their way
					b.Error("an answer is not wanted")
				}
				return
			}
			p.seat.Book(run.EntryOf(c, true))
			p.seat.Offer(run.Inspect(c, 1, func(*protocol.Vector, int) ([]float32, error) { return values, nil }))
			answered.Add(1)
		case <-p.closed:
			return
		}
	}
}

// BenchmarkClusterRound measures rounds of two edges: what travels between them and the owner for
// each, beside the models, in bytes for each contribution. The model is that of the MNIST 2NN.
func BenchmarkClusterRound(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkRound(b, n) })
	}
}

func benchmarkRound(b *testing.B, n int) {
	model, err := learn.New(learn.MLP([]int{784}, []int{200, 200}, 10))
	if err != nil {
		b.Fatal(err)
	}
	size := model.Layout().Size
	l := live.NewLive()
	rounds := make(chan uint64, 100)
	cfg := run.Config{
		ID: "bench", Seed: 1, OrderSeed: 1, Model: model, Metered: true,
		Notify: func(u run.Update) {
			if u.Round != nil {
				rounds <- u.Round.Round
			}
		},
	}
	cfg.Strategy, err = strategy.New(strategy.Config{Kind: "fedavg", Fraction: 1, Epochs: 1, Batch: 10, LR: .1, MinClients: n, MinReports: n, Deadline: time.Hour}, strategy.Setup{Seed: 1, MinCohort: 2, Parameters: size, Live: true})
	if err != nil {
		b.Fatal(err)
	}
	if l.Run, err = run.New(cfg, l); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { l.Serve(ctx) })
	values := make([]float32, size)
	for i := range values {
		values[i] = float32(i%7) / 1000
	}
	block := compress.AppendFloat32(nil, values)
	var up, down, answered atomic.Int64
	checker := live.NewChecker(size, 1, 1, nil)
	var edges []*Edge
	var pupils []*pupil
	for range 2 {
		here, there := net.Pipe()
		wait.Go(func() { Serve(ctx, counted{there, &up}, l, checker, func(*Host) {}, func() {}) })
		edges = append(edges, Connect(ctx, counted{here, &down}, Terms{Parameters: size, Sums: 1}, func(run.Update) {}))
	}
	for i := range n {
		p := &pupil{orders: make(chan *protocol.Order, 4), closed: make(chan struct{})}
		p.seat = edges[i%2].Seat(p)
		if number, err := p.seat.Join(hub.Joining{Hello: &protocol.Hello{Protocol: protocol.Version, Task: "bench", Codecs: []protocol.Codec{protocol.CodecFloat32}, TabState: protocol.TabVisible}}); number == 0 {
			b.Fatal(err)
		}
		pupils = append(pupils, p)
	}
	for _, p := range pupils {
		wait.Go(func() { p.serve(ctx, b, values, block, &answered) })
	}
	<-rounds // the first: everybody has joined
	for len(rounds) > 0 {
		<-rounds
	}
	b.ResetTimer()
	fromUp, fromDown, from := up.Load(), down.Load(), answered.Load()
	for range b.N {
		<-rounds
	}
	b.StopTimer()
	count := float64(answered.Load() - from)
	vectors := float64(b.N) * 2 * 8 * float64(size) // partial sums of two edges
	models := float64(b.N) * 2 * 4 * float64(size)
	b.ReportMetric((float64(up.Load()-fromUp)-vectors)/count, "B/answer-up")
	b.ReportMetric((float64(down.Load()-fromDown)-models)/count, "B/answer-down")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/count, "µs/answer")
	cancel()
	for _, e := range edges {
		<-e.Done()
	}
	for _, p := range pupils {
		p.Close(0, "")
	}
	wait.Wait()
}
