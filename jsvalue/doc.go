// Package jsvalue copies JavaScript's values into Go, for the page and its worker.
package jsvalue
