package ui

import (
	"syscall/js"

	"fedtab/jsvalue"
)

// wallCount is the max number of pictures that are shown.
const wallCount = 60

// askWall asks the worker for pictures that it was given, if it is time.
func (t *worker) askWall() {
	if t.page.wantsWall() {
		t.page.Wall.Asked = true
		t.worker.Call("postMessage", map[string]any{"type": "wall", "count": wallCount})
	}
}

// onWall takes in pictures of the worker (tab.Wall), and has a script draw them.
func (t *worker) onWall(m js.Value) {
	labels, _ := jsvalue.FromJS(m.Get("labels")).([]any)
	if t.page.Wall.Labels = nil; len(labels) == 0 {
		return
	}
	for _, v := range labels {
		label, _ := v.(float64)
		t.page.Wall.Labels = append(t.page.Wall.Labels, int(label))
	}
	t.host.pass(m)
}
