package e2e

import (
	"testing"

	"fedtab/coordinator/listen/listentest"
)

// Tabs train with a coordinator that speaks TLS itself: the page comes by https, its
// events too, and its socket is wss.
func TestTabsOverTLS(t *testing.T) {
	certFile, keyFile := listentest.NewRoot(t).Sign(t.TempDir(), 1, 0, "localhost")
	c := serve(t, digits("rounds: 15", "rounds: 2"), "--tls-cert", certFile, "--tls-key", keyFile)
	var tabs []*tab
	for range 2 {
		b := open(t, "https://"+c.addr+"/")
		b.join()
		tabs = append(tabs, b)
	}
	for _, b := range tabs {
		await(t, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
		await(t, "the page shows version 2", func() bool { v, ok := b.value("round"); return ok && v == 2 })
	}
}
