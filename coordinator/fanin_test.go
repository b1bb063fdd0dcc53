package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// asCrowd is an environment variable: the test binary then runs the participants of
// BenchmarkFanIn, on the socket that it names.
const asCrowd = "FEDTAB_TEST_AS_CROWD"

const crowdSize = 200

// BenchmarkFanIn measures a round in which 200 participants send a raw float32
// update of MNIST's 2NN (199,210 parameters) at once: from the first byte sent to
// the first status with the committed version. Coordinator and participants are
// separate processes. It reports the median, the coordinator's peak memory after its
// start, and how much of it are pages of the executable, with the guard and without.
func BenchmarkFanIn(b *testing.B) {
	b.Run("guarded", func(b *testing.B) { fanIn(b, "3") })
	b.Run("unguarded", func(b *testing.B) { fanIn(b, ".inf") })
}

func fanIn(b *testing.B, guard string) {
	address := freeAddress(b)
	task := smallTask(b, "hidden: [32]", "hidden: [200, 200]", "rounds: 3", "rounds: 1000000", "max_weight: .inf", "max_weight: .inf, guard: "+guard,
		"min_clients: 3", fmt.Sprintf("min_clients: %d, min_reports: %[1]d, deadline: 60s", crowdSize), "seed: 1", "seed: 1\neval_every: 1000000")
	c := coordinator(b, "serve", "--addr", address, "--data", b.TempDir(), "--task", task)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	waitFor(b, "the coordinator to listen", func() bool {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/ws", nil)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})

	// The peak of its start, where the examples are packed, is another one.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.Process.Pid), []byte("5"), 0); err != nil {
		b.Log("the peak of its start counts:", err)
	}
	self, _ := os.Executable()
	crowd := exec.Command(self)
	crowd.Env = append(os.Environ(), asCrowd+"=ws://"+address+"/ws")
	crowd.Stderr = b.Output()
	rounds, err := crowd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := crowd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { crowd.Process.Kill(); crowd.Wait() }()
	lines := bufio.NewScanner(rounds)
	var took []float64
	for b.Loop() {
		if !lines.Scan() {
			b.Fatal("the participants are gone")
		}
		nanoseconds, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, float64(nanoseconds)/1e6)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms/round-median")
	b.ReportMetric(took[len(took)-1], "ms/round-max")
	b.ReportMetric(peakMemory(b, c.Process.Pid), "MB-peak")
	b.ReportMetric(memory(b, c.Process.Pid, "RssFile"), "MB-executable")
	b.ReportMetric(0, "ns/op") // would include the next model's broadcast
}

// peakMemory returns the VmHWM of a process in MiB; 0 if it is unknown.
func peakMemory(t testing.TB, pid int) float64 { return memory(t, pid, "VmHWM") }

// memory returns a field of a process's status in MiB; 0 if it is unknown.
func memory(t testing.TB, pid int, field string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Logf("no %s: %v", field, err)
		return 0
	}
	return fieldMB(status, field)
}

func fieldMB(status []byte, name string) float64 {
	m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		return 0
	}
	kibibytes, _ := strconv.ParseFloat(string(m[1]), 64)
	return kibibytes / 1024
}

// playCrowd joins all participants. In each round it waits until all have their
// order, sends all answers at once, and prints the nanoseconds until the commit.
// Frames are encoded before, so that only the coordinator is measured.
func playCrowd(url string) error {
	var ready, answered sync.WaitGroup
	gate := make([]chan struct{}, crowdSize)
	errs := make(chan error, crowdSize)
	orders := make([]*protocol.Order, crowdSize)
	committed := make(chan uint64, crowdSize*4)
	ready.Add(crowdSize)
	chunks := crowdChunks()
	for i := range crowdSize {
		gate[i] = make(chan struct{})
		conn, _, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			return err
		}
		if err := conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, hubtest.Hello("small"))); err != nil {
			return err
		}
		// A pong would leave its deadline of a second to the writes below. Updates show
		// that the participant is there.
		conn.SetPingHandler(func(string) error { return nil })
		p := &hubtest.Peer{Conn: conn}
		go func() {
			for {
				m, err := p.Read()
				if err != nil {
					errs <- err
					return
				}
				switch m := m.(type) {
				case *protocol.Order:
					orders[i] = m
					ready.Done()
				case *protocol.Status:
					if i == 0 {
						committed <- m.Closed
					}
				}
			}
		}()
		go func() {
			for range gate[i] {
				o := orders[i]
				c := hubtest.Contribution(o, nil)
				c.Transfer, c.Vectors[0].Size = 1, crowdBody
				frames := net.Buffers{rawFrame(protocol.Append(nil, c)), chunks} // no copy of the chunks
				if _, err := frames.WriteTo(conn.NetConn()); err != nil {
					errs <- err
				}
				answered.Done()
			}
		}()
	}
	go func() {
		for {
			ready.Wait()
			ready.Add(crowdSize)
			round := orders[0].Round
			answered.Add(crowdSize)
			began := time.Now()
			for _, g := range gate {
				g <- struct{}{}
			}
			for closed := range committed {
				if closed >= round {
					break
				}
			}
			fmt.Println(time.Since(began).Nanoseconds())
			answered.Wait()
		}
	}()
	return <-errs
}

const crowdBody = 4 * 199_210

// crowdChunks returns the frames of a body's chunks.
func crowdChunks() []byte {
	delta := make([]float32, crowdBody/4)
	for i := range delta {
		delta[i] = float32(i%1000-500) * 1e-5
	}
	c := protocol.Contribution{Transfer: 1, Vectors: []protocol.Vector{{Block: compress.AppendFloat32(nil, delta)}}}
	var out []byte
	for _, f := range protocol.AppendFrames(nil, &c)[1:] {
		out = append(out, rawFrame(f)...)
	}
	return out
}

// rawFrame is a client's WebSocket frame, masked with zeros.
func rawFrame(payload []byte) []byte {
	b := []byte{0x82}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}
