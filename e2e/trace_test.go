package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// noticed is how long a task of a page's main thread may take before people notice it.
const noticed = 50 * time.Millisecond

// A mainTask is a task of a page's main thread.
type mainTask struct {
	took time.Duration // by the clock
	cpu  time.Duration // that the thread ran: the rest it waited for a core
}

func (m mainTask) String() string {
	return fmt.Sprintf("%d ms (computed %d)", m.took.Milliseconds(), m.cpu.Milliseconds())
}

// trace records the main thread's tasks of at least noticed until what it returns is called.
func (b *tab) trace() (stop func() []mainTask) {
	b.t.Helper()
	type event struct {
		Name, Ph string
		Pid, Tid int
		Dur      int64 // in microseconds, as TDur
		TDur     int64
		Args     struct{ Name string }
	}
	var mu sync.Mutex
	var events []event
	over := make(chan struct{})
	listen := func(ev any) {
		switch ev := ev.(type) {
		case *tracing.EventDataCollected:
			mu.Lock()
			defer mu.Unlock()
			for _, v := range ev.Value {
				var e event
				if json.Unmarshal(v, &e) == nil && (e.Name == "RunTask" || e.Name == "thread_name") {
					events = append(events, e)
				}
			}
		case *tracing.EventTracingComplete:
			close(over)
		}
	}
	ctx, forget := context.WithCancel(b.ctx)
	if err := chromedp.Listen(ctx, listen); err != nil {
		b.t.Fatal(err)
	}
	call := func(f func(context.Context, *chromedp.Target) error) {
		b.t.Helper()
		if err := chromedp.Do(b.ctx, chromedp.Func(f)); err != nil {
			b.t.Fatal(err)
		}
	}
	call(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, tracing.Start, tracing.StartParams{
			TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"disabled-by-default-devtools.timeline"}, ExcludedCategories: []string{"*"}},
		})
		return err
	})
	return func() (tasks []mainTask) {
		b.t.Helper()
		defer forget()
		call(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, tracing.End, cdp.Empty{})
			return err
		})
		select {
		case <-over:
		case <-time.After(patience):
			b.t.Fatal("the trace does not end")
		}
		mu.Lock()
		defer mu.Unlock()
		main := map[[2]int]bool{}
		for _, e := range events {
			if e.Ph == "M" && e.Args.Name == "CrRendererMain" {
				main[[2]int{e.Pid, e.Tid}] = true
			}
		}
		all := 0
		for _, e := range events {
			if e.Name != "RunTask" || !main[[2]int{e.Pid, e.Tid}] {
				continue
			}
			all++
			if took := time.Duration(e.Dur) * time.Microsecond; took >= noticed {
				tasks = append(tasks, mainTask{took, time.Duration(e.TDur) * time.Microsecond})
			}
		}
		if all == 0 {
			b.t.Fatal("the trace has no task of a main thread")
		}
		slices.SortFunc(tasks, func(x, y mainTask) int { return int(y.cpu - x.cpu) })
		return tasks
	}
}
