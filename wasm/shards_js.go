package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/tab"
)

// fetchesAtOnce bounds the shards under way. Browsers open about six
// connections to a host; the page needs some of them.
const fetchesAtOnce = 3

// shardLimit bounds what a shard may unpack to.
const shardLimit = 64 << 20

// fetchTimeout bounds a fetch: the coordinator gives a shard up when it travels more
// slowly.
const fetchTimeout = 2 * time.Minute

// noShard is why a shard could not be fetched.
type noShard struct {
	status int // of the answer; 0: there was none
	reason string
}

func (e *noShard) Error() string { return e.reason }

// fetchTrouble is what the page is told of fetches that fail.
type fetchTrouble struct {
	noShard
	failures int // in a row; 0: the newest fetch has succeeded
}

// stubborn is the number of failures in a row after which an order does not wait for the
// shards that are missing.
const stubborn = 4

// fetchShards begins to fetch what is missing.
func (w *worker) fetchShards() {
	missing := w.client.Missing()
	if len(missing) == 0 {
		w.trouble = fetchTrouble{} // what could not be fetched is not wanted any more
	}
	for _, n := range missing {
		if len(w.fetching) >= fetchesAtOnce {
			return
		}
		if _, under := w.fetching[n]; under {
			continue
		}
		w.fetching[n] = 0
		go fetchShard(w.queue, baseOf(w.url), w.origin, n)
	}
}

// resumeFetches ends the pauses after fetches that have failed.
func (w *worker) resumeFetches() {
	maps.DeleteFunc(w.fetching, func(_ uint32, pause int) bool { return pause > 0 })
	if w.client != nil {
		w.fetchShards()
	}
}

func (w *worker) shardFetched(e shardFetched) {
	delete(w.fetching, e.number)
	if e.bytes > 0 || e.err == nil {
		entry := tab.Entry{Kind: tab.Examples, Bytes: e.bytes}
		if e.set != nil {
			entry.Examples = e.set.Len()
		}
		w.moved(entry)
	}
	if w.client == nil {
		return
	}
	if e.source != w.origin { // other data has come meanwhile under the same number
		w.fetchShards()
		return
	}
	if e.err == nil {
		e.err = w.client.AddShard(e.number, e.set)
	}
	if e.err != nil {
		why := &noShard{reason: e.err.Error()}
		errors.As(e.err, &why)
		w.trouble = fetchTrouble{*why, w.trouble.failures + 1}
		if w.trouble.failures >= stubborn {
			w.client.MakeDo()
		}
		w.pauses++
		due := fetchDue{e.number, w.pauses}
		w.fetching[e.number] = due.pause // not again before it is over
		time.AfterFunc(protocol.Backoff(w.trouble.failures-1, rand.Float64()), func() { w.queue.put(due) })
		return
	}
	w.trouble = fetchTrouble{}
	w.fetchShards()
}

// baseOf returns the address beside which a coordinator's WebSocket lies, as HTTP and
// without the slash at its end: https://example.org/study of
// wss://example.org/study/ws.
func baseOf(socket string) string {
	base := strings.Replace(socket, "ws", "http", 1)
	return base[:max(strings.LastIndexByte(base, '/'), 0)]
}

func fetchShard(q *queue, base, source string, n uint32) {
	set, bytes, err := getShard(base + source + "/" + strconv.FormatUint(uint64(n), 10))
	q.put(shardFetched{source, n, set, bytes, err})
}

// getShard fetches and reads a shard, and returns how many bytes have travelled. An error
// of the network or of the answer is a *noShard.
func getShard(url string) (*data.Set, int64, error) {
	abort := js.Global().Get("AbortController").New()
	timer := time.AfterFunc(fetchTimeout, func() { abort.Call("abort") })
	defer timer.Stop()
	failed := func(err error) error {
		if abort.Get("signal").Get("aborted").Bool() {
			return &noShard{reason: fmt.Sprintf("no answer within %.0f minutes", fetchTimeout.Minutes())}
		}
		return &noShard{reason: fmt.Sprintf("the coordinator cannot be reached (%v)", err)}
	}
	response, err := await(js.Global().Call("fetch", url, map[string]any{"signal": abort.Get("signal")}))
	if err != nil {
		return nil, 0, failed(err)
	}
	if !response.Get("ok").Bool() {
		status := response.Get("status").Int()
		return nil, 0, &noShard{status, fmt.Sprintf("the coordinator answers %d", status)}
	}
	buffer, err := await(response.Call("arrayBuffer"))
	if err != nil {
		return nil, 0, failed(err)
	}
	a := js.Global().Get("Uint8Array").New(buffer)
	b := make([]byte, a.Length())
	js.CopyBytesToGo(b, a)
	set, err := data.ReadShard(bytes.NewReader(b), shardLimit)
	return set, wireBytes(url, len(b)), err
}

// wireBytes returns how many bytes of a file have travelled, 0 if the browser had it: as
// the browser says, or else its size.
func wireBytes(url string, size int) int64 {
	p := js.Global().Get("performance")
	entries := p.Call("getEntriesByName", url)
	n := entries.Length()
	if n == 0 {
		return int64(size)
	}
	moved := entries.Index(n - 1).Get("transferSize")
	if p.Call("getEntriesByType", "resource").Length() > 100 { // a browser stops at 250
		p.Call("clearResourceTimings")
	}
	if moved.Type() != js.TypeNumber {
		return int64(size)
	}
	return int64(moved.Int())
}

// await waits for a promise. It must not be called by the loop, or within a
// callback.
func await(promise js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		err   error
	}
	c := make(chan result, 1)
	resolve := js.FuncOf(func(_ js.Value, args []js.Value) any {
		c <- result{value: args[0]}
		return nil
	})
	reject := js.FuncOf(func(_ js.Value, args []js.Value) any {
		c <- result{err: errors.New(args[0].Call("toString").String())}
		return nil
	})
	defer resolve.Release()
	defer reject.Release()
	promise.Call("then", resolve, reject)
	r := <-c
	return r.value, r.err
}
