package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"fedtab/learn/data"
	"fedtab/protocol"
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

// fetchShards begins to fetch what is missing.
func (w *worker) fetchShards() {
	for _, n := range w.client.Missing() {
		if len(w.fetching) >= fetchesAtOnce {
			return
		}
		if w.fetching[n] {
			continue
		}
		w.fetching[n] = true
		go fetchShard(w.queue, baseOf(w.url), w.origin, n)
	}
}

func (w *worker) shardFetched(e shardFetched) {
	delete(w.fetching, e.number)
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
		w.fetching[e.number] = true // not again before the pause is over
		pause := protocol.Backoff(w.trouble.failures-1, rand.Float64())
		time.AfterFunc(pause, func() { w.queue.put(fetchDue{e.number}) })
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
	set, err := getShard(base + source + "/" + strconv.FormatUint(uint64(n), 10))
	q.put(shardFetched{source, n, set, err})
}

// getShard fetches and reads a shard. An error of the network or of the answer is a
// *noShard.
func getShard(url string) (*data.Set, error) {
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
		return nil, failed(err)
	}
	if !response.Get("ok").Bool() {
		status := response.Get("status").Int()
		return nil, &noShard{status, fmt.Sprintf("the coordinator answers %d", status)}
	}
	buffer, err := await(response.Call("arrayBuffer"))
	if err != nil {
		return nil, failed(err)
	}
	a := js.Global().Get("Uint8Array").New(buffer)
	b := make([]byte, a.Length())
	js.CopyBytesToGo(b, a)
	return data.ReadShard(bytes.NewReader(b), shardLimit)
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
