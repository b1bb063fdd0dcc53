//go:build unix

package store

import (
	"os"
	"strconv"
	"syscall"
)

// inodeOf returns the inode of a file. The device is not in it, whose number may be another after
// a mount.
func inodeOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(stat.Ino), 10), nil
	}
	return "", nil
}
