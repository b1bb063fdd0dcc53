package listen

import (
	"syscall"

	"fedtab/protocol"

	"golang.org/x/sys/unix"
)

// unsent bounds what waits in the kernel on each connection of a socket that is about
// to listen. A peer that reads nothing would otherwise make it hold up to 4 MB.
func unsent(_, _ string, c syscall.RawConn) (err error) {
	if failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, protocol.MaxUnsent)
	}); failed != nil {
		return failed
	}
	return err
}
