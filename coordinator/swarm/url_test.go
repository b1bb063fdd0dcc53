package swarm

import (
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	for address, want := range map[string][2]string{
		"ws://127.0.0.1:8080/ws":            {"ws://127.0.0.1:8080/ws", "http://127.0.0.1:8080/data/x/7"},
		"wss://study.example/lab/ws":        {"wss://study.example/lab/ws", "https://study.example/lab/data/x/7"},
		"http://127.0.0.1:8080":             {"ws://127.0.0.1:8080/ws", "http://127.0.0.1:8080/data/x/7"},
		"https://study.example/":            {"wss://study.example/ws", "https://study.example/data/x/7"},
		"https://study.example/a/lab":       {"wss://study.example/a/lab/ws", "https://study.example/a/lab/data/x/7"},
		"https://study.example/lab/#anes96": {"wss://study.example/lab/ws", "https://study.example/lab/data/x/7"},
		"http://[2001:db8::1]:8080/":        {"ws://[2001:db8::1]:8080/ws", "http://[2001:db8::1]:8080/data/x/7"},
	} {
		socket, err := SocketURL(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		shard, err := shardURL(socket, "/data/x", 7)
		if socket != want[0] || shard != want[1] || err != nil {
			t.Errorf("%s: got %s and %s (%v), want %s and %s", address, socket, shard, err, want[0], want[1])
		}
	}
	for _, address := range []string{"", "127.0.0.1:8080", "localhost:8080/ws", "ftp://study.example", "ws:///ws", "ws://study.example/ws?a=b"} {
		if got, err := SocketURL(address); err == nil || !strings.Contains(err.Error(), "want ws") {
			t.Errorf("%q: got %s, %v, want an error that says what is right", address, got, err)
		}
	}
}
