package e2e

import (
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"), "--task", "anes96")
	home := open(t, c.url()+"t/digits")
	home.join()
	await(t, "x", func() bool { return js[bool](home, "document.getElementById('understand-points').hidden") })
	for range 6 {
		t.Log(js[string](home, "document.querySelector('.understand').outerHTML.slice(0,420)"), home.text("state"))
		home.follow(".fold")
		time.Sleep(time.Second)
	}
	home.mu.Lock()
	t.Log(home.problems)
	home.mu.Unlock()
}
