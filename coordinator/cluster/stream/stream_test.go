package stream

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// broker starts a server on loopback.
func broker(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

func dial(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// pair returns the ends of a stream over two connections.
func pair(t *testing.T, a, b *nats.Conn) (here, there *Stream) {
	t.Helper()
	accepted := make(chan *Stream, 1)
	l, err := Listen(a, "link", func(s *Stream, name string) {
		if name != "edge" {
			t.Errorf("accepted %q", name)
		}
		accepted <- s
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	here, err = Dial(t.Context(), b, "link", "edge")
	if err != nil {
		t.Fatal(err)
	}
	there = <-accepted
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

// What is written comes, in both directions at once, and more than the window.
func TestClusterStream(t *testing.T) {
	url := broker(t)
	a, b := pair(t, dial(t, url), dial(t, url))
	const total = 3*window + 12345
	var wait sync.WaitGroup
	for _, d := range []struct{ from, to *Stream }{{a, b}, {b, a}} {
		sum := make(chan [32]byte, 1)
		wait.Go(func() {
			r := rand.NewChaCha8([32]byte{})
			h := sha256.New()
			buf := make([]byte, 700_000)
			for left := total; left > 0; {
				n := min(1+rand.IntN(len(buf)), left)
				r.Read(buf[:n])
				h.Write(buf[:n])
				if _, err := d.from.Write(buf[:n]); err != nil {
					t.Error(err)
					break
				}
				left -= n
			}
			sum <- [32]byte(h.Sum(nil))
		})
		wait.Go(func() {
			h := sha256.New()
			if _, err := io.CopyN(h, d.to, total); err != nil {
				t.Error(err)
			}
			if want := <-sum; !bytes.Equal(h.Sum(nil), want[:]) {
				t.Error("other bytes have come than were written")
			}
		})
	}
	wait.Wait()
	a.Write([]byte("last"))
	a.Close()
	if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
		t.Errorf("read %q, %v after the other side has closed", got, err)
	}
	if _, err := b.Write([]byte("x")); err == nil {
		t.Error("a stream that the other side has closed takes bytes")
	}
}

// A writer waits for a reader that does not read.
func TestClusterStreamWindow(t *testing.T) {
	url := broker(t)
	a, b := pair(t, dial(t, url), dial(t, url))
	var written atomic.Int64
	go func() {
		buf := make([]byte, piece)
		for {
			n, err := a.Write(buf)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	for deadline := time.Now().Add(20 * time.Second); written.Load() < window; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are written, want the window to fill", written.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(3 * beat) // and no more, though acknowledgements come
	if n := written.Load(); n > window+2*piece {
		t.Errorf("%d bytes are written and not read, want at most %d", n, window+2*piece)
	}
	io.CopyN(io.Discard, b, window)
	for deadline := time.Now().Add(20 * time.Second); written.Load() < window+window/2; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are written after the reader has caught up", written.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// gate is a proxy that can hold back what goes to the server.
type gate struct {
	shut  atomic.Bool
	conns sync.Map
}

func (g *gate) start(t *testing.T, url string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if g.shut.Load() {
				c.Close()
				continue
			}
			s, err := net.Dial("tcp", url[len("nats://"):])
			if err != nil {
				c.Close()
				continue
			}
			g.conns.Store(c, s)
			go func() { io.Copy(s, c); s.Close(); c.Close() }()
			go func() { io.Copy(c, s); s.Close(); c.Close() }()
		}
	}()
	return "nats://" + l.Addr().String()
}

// cut breaks the connections, and refuses others while shut is set.
func (g *gate) cut() {
	g.conns.Range(func(c, s any) bool {
		c.(net.Conn).Close()
		s.(net.Conn).Close()
		g.conns.Delete(c)
		return true
	})
}

// A side that is cut off counts as lost on both sides, and a message that is lost on the way ends
// the stream: bytes never come with a gap.
func TestClusterStreamLost(t *testing.T) {
	url := broker(t)
	var g gate
	far := dial(t, g.start(t, url), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.RetryOnFailedConnect(true))
	a, b := pair(t, dial(t, url), far)
	g.shut.Store(true)
	g.cut()
	start := time.Now()
	for _, s := range []*Stream{a, b} {
		if _, err := io.ReadAll(s); !errors.Is(err, errSilent) && !errors.Is(err, errGap) {
			t.Errorf("a side that hears nothing ends with %v", err)
		}
	}
	if d := time.Since(start); d > silent+3*beat {
		t.Errorf("it took %v to notice", d)
	}
	g.shut.Store(false)

	near := dial(t, url)
	c, d := pair(t, near, far)
	go func() {
		buf := make([]byte, 1<<10)
		for i := 0; ; i++ {
			for j := range buf {
				buf[j] = byte(i)
			}
			if _, err := d.Write(buf); err != nil {
				return
			}
			if i == 100 || i == 200 {
				g.cut() // the client reconnects, and what was on its way is lost, or not
			}
			time.Sleep(time.Millisecond)
		}
	}()
	buf := make([]byte, 1<<10)
	for i := 0; i < 1000; i++ {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		if buf[0] != byte(i) || buf[len(buf)-1] != byte(i) {
			t.Fatalf("piece %d is %d: there is a gap", i, buf[0])
		}
	}
}

// Nobody listens: an error that says where, soon.
func TestClusterStreamNobody(t *testing.T) {
	nc := dial(t, broker(t))
	if _, err := Dial(t.Context(), nc, "nowhere", "edge"); err == nil || !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("got %v", err)
	}
}
