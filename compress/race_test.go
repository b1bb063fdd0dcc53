//go:build race

package compress

const raced = true
