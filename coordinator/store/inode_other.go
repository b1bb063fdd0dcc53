//go:build !unix

package store

// inodeOf returns nothing: files have no inodes here.
func inodeOf(string) (string, error) { return "", nil }
