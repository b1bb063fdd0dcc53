package listen

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"fedtab/protocol"
)

// A peer that reads nothing holds little of what is written to it.
func TestUnsent(t *testing.T) {
	l, err := socket("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := make(chan int64)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			taken <- -1
			return
		}
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		var n int64
		for b := make([]byte, 16<<10); err == nil; {
			var m int
			m, err = conn.Write(b)
			n += int64(m)
		}
		taken <- n
	}()
	peer, err := (&net.Dialer{Control: smallBuffer}).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	got := <-taken
	if limit := int64(4 * protocol.MaxUnsent); got < 0 || got > limit {
		t.Errorf("%d bytes were taken for a peer that reads nothing, want at most %d", got, limit)
	}
	if _, err := io.CopyN(io.Discard, peer, 1); err != nil {
		t.Error(err)
	}
}

func smallBuffer(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
}
