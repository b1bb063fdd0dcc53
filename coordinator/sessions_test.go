package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/listen/listentest"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// BenchmarkSessions opens 5,000 sockets with idle participants, plain and over TLS. It
// reports the time until the first 2,000 are welcomed, and the memory that all of them
// add to the coordinator, a separate process.
func BenchmarkSessions(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%v", secure), func(b *testing.B) {
			for b.Loop() {
				seconds, idle, _ := sessions(b, 5000, 2000, secure, 0)
				b.ReportMetric(seconds, "s/2000-joins")
				b.ReportMetric(idle, "MB/5000-idle")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkPings reports what pings of an idle participant take of a core of the coordinator,
// a separate process: 5,000 of them answer for a minute.
func BenchmarkPings(b *testing.B) {
	const total = 5000
	for b.Loop() {
		_, _, cores := sessions(b, total, total, false, time.Minute)
		b.ReportMetric(1000*cores/total, "ms-core/s")
	}
	b.ReportMetric(0, "ns/op")
}

// TestManySessions checks the bound on the memory of idle sessions. Their speed is
// measured by the benchmark only.
func TestManySessions(t *testing.T) {
	total, bound := 5000, 120.
	if testing.Short() {
		total, bound = 1000, 30
	}
	var files syscall.Rlimit // Go has raised it as far as it goes
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < uint64(total)+100 {
		t.Skipf("this system allows %d open files, and %d sessions need one each (%v)", files.Cur, total, err)
	}
	_, idle, _ := sessions(t, total, total, false, 0)
	if idle > bound {
		t.Errorf("%d idle sessions take %.0f MB, want at most %.0f", total, idle, bound)
	}
}

// sessions joins total participants to a coordinator. It returns the seconds that
// the first of them took, the megabytes that all of them hold, and the cores that the
// coordinator is busy on while they only answer pings, for a time that may be 0.
func sessions(t testing.TB, total, first int, secure bool, rest time.Duration) (seconds, megabytes, cores float64) {
	address := freeAddress(t)
	task := smallTask(t, "min_clients: 3", "min_clients: 10000")
	c := coordinator(t, "serve", "--addr", address, "--data", t.TempDir(), "--task", task)
	url, dialer := "ws://"+address+"/ws", websocket.Dialer{}
	if secure {
		root := listentest.NewRoot(t)
		certFile, keyFile := root.Sign(t.TempDir(), 1, 0, "127.0.0.1")
		c.Args = append(c.Args, "--tls-cert", certFile, "--tls-key", keyFile)
		url, dialer.TLSClientConfig = "wss://"+address+"/ws", &tls.Config{RootCAs: root.Pool()}
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	waitFor(t, "the coordinator to listen", func() bool {
		conn, _, err := dialer.Dial(url, nil)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	resident := func() float64 {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
		if err != nil {
			t.Skipf("the memory of a process is unknown on this system: %v", err)
		}
		return fieldMB(status, "VmRSS")
	}
	before := resident()
	conns := make([]*websocket.Conn, total)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	frame := protocol.Append(nil, hubtest.Hello("small"))
	some := func(limit int) {
		var wait sync.WaitGroup
		for range 32 {
			wait.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= limit {
						next.Add(-1)
						return
					}
					conn, _, err := dialer.Dial(url, nil)
					if err == nil {
						conns[i] = conn
						err = conn.WriteMessage(websocket.BinaryMessage, frame)
					}
					if err == nil {
						conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
						var answer []byte
						if _, answer, err = conn.ReadMessage(); err == nil {
							var m protocol.Message
							if m, err = protocol.Decode(answer); err == nil && protocol.KindOf(m) != protocol.KindWelcome {
								err = fmt.Errorf("got %+v, want a welcome", m)
							}
						}
					}
					if err != nil {
						failed.Store(&err)
					}
				}
			})
		}
		wait.Wait()
		if err := failed.Load(); err != nil {
			t.Fatalf("a participant cannot join: %v", *err)
		}
	}
	began := time.Now()
	some(first)
	seconds = time.Since(began).Seconds()
	some(total)
	megabytes = resident() - before
	if rest > 0 {
		var lost atomic.Int64
		for _, conn := range conns {
			conn.SetReadDeadline(time.Time{})
			go func() {
				for err := error(nil); err == nil; { // answers pings
					_, _, err = conn.ReadMessage()
				}
				lost.Add(1)
			}()
		}
		used := processorTime(t, c.Process.Pid)
		time.Sleep(rest)
		cores = (processorTime(t, c.Process.Pid) - used).Seconds() / rest.Seconds()
		if n := lost.Load(); n > 0 {
			t.Errorf("%d of %d participants were lost while they answered pings", n, total)
		}
	}
	return seconds, megabytes, cores
}

// processorTime returns the time that a process has had on processors.
func processorTime(t testing.TB, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skipf("the processor time of a process is unknown on this system: %v", err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
	var user, system int64
	// The 14th and 15th field, of which two are before.
	if _, err := fmt.Sscanf(strings.Join(strings.Fields(after)[11:13], " "), "%d %d", &user, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * time.Second / 100
}
