// Command sample does what the runtime looks up functions for: it collects garbage while
// stacks are deep, grows and moves them, runs deferred calls, recovers, and prints stacks.
// It ends with a panic.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"sync"
)

// leaf is on the heap, held by the frames of recursions alone.
type leaf struct {
	number int
	next   *leaf
	names  map[string]*leaf
}

// deep goes down and comes back with the sum of what its frames hold; garbage is collected
// at the bottom and once on the way.
func deep(n int, above *leaf) (sum int) {
	own := &leaf{number: n, next: above, names: map[string]*leaf{fmt.Sprint(n): above}}
	defer func() { sum += own.number }()
	if n%400 == 0 {
		runtime.GC()
	}
	if n == 0 {
		for l := above; l != nil; l = l.next {
			sum += l.number - l.next.value()
		}
		return sum
	}
	return deep(n-1, own) + len(own.names)
}

func (l *leaf) value() int {
	if l == nil {
		return 0
	}
	return l.number
}

// at is inlined: tracebacks name it by the tree of inlined calls.
func at(numbers []int, i int) int { return numbers[i] }

func recovered(do func()) (message string) {
	defer func() {
		message = fmt.Sprint(recover(), "\n", string(debug.Stack()))
	}()
	do()
	return "no panic"
}

// callers returns the names of the functions that called it.
func callers() string {
	pcs := make([]uintptr, 20)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	var names []string
	for {
		f, more := frames.Next()
		names = append(names, f.Function)
		if !more {
			return strings.Join(names, " ")
		}
	}
}

type named interface{ call() string }

type caller struct{ n int }

func (c caller) call() string {
	if c.n == 0 {
		return callers()
	}
	return named(&caller{c.n - 1}).call() // by way of a wrapper
}

func generic[T any](x T) string { return recovered(func() { panic(fmt.Sprintf("%T", x)) }) }

func main() {
	var group sync.WaitGroup
	sums := make([]int, 20)
	for i := range sums {
		group.Go(func() { sums[i] = deep(100*i, nil) })
	}
	fmt.Println("deep", deep(4000, nil))
	group.Wait()
	fmt.Println("sums", sums)

	words := strings.Fields("the quick brown fox jumps over the lazy dog")
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	slices.SortStableFunc(words, func(a, b string) int { return len(a) - len(b) })
	fmt.Println("sorted", words)

	var none map[string]int
	var nothing *leaf
	zero := 0
	for _, do := range []func(){
		func() { at(sums, len(sums)) },
		func() { none["a"] = 1 },
		func() { fmt.Println(nothing.number) },
		func() { fmt.Println(1 / zero) },
		func() { fmt.Println(any("text").(int)) },
		func() { fmt.Println("callers", caller{2}.call()) },
	} {
		fmt.Println("recovered", recovered(do))
	}
	fmt.Println("recovered", generic(leaf{}))

	ready := make(chan bool)
	go func() {
		defer close(ready)
		fmt.Println("goroutine", recovered(func() { panic("in a goroutine") }))
	}()
	<-ready
	at(sums, -1+zero)
}
