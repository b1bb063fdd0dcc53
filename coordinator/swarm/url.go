package swarm

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// SocketURL returns the address of a coordinator's WebSocket. It takes that address
// itself, ws://HOST:PORT/PREFIX/ws, or the address of the page beside it,
// http://HOST:PORT/PREFIX/.
func SocketURL(address string) (string, error) {
	if address == "" {
		return "", errors.New("empty, want ws(s)://HOST:PORT/ws or the address of the page, http(s)://HOST:PORT/")
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" {
		return "", fmt.Errorf("%q, want ws(s)://HOST:PORT/ws or the address of the page, http(s)://HOST:PORT/", address)
	}
	u.Fragment, u.RawFragment = "", "" // of a page: its task
	switch u.Scheme {
	case "ws", "wss":
		return u.String(), nil
	case "http", "https":
		u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
		return u.JoinPath("ws").String(), nil
	}
	return "", fmt.Errorf("%q: scheme %s, want ws, wss, http or https", address, u.Scheme)
}

// shardURL returns the address of a shard: the source lies beside the WebSocket
// (docs/protocol.md, "Shards").
func shardURL(socket, source string, n uint32) (string, error) {
	return besideURL(socket, fmt.Sprintf("%s/%d", source, n))
}

// besideURL returns the address of a path that lies beside a WebSocket.
func besideURL(socket, path string) (string, error) {
	u, err := url.Parse(socket)
	if err != nil {
		return "", err
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Path = u.Path[:max(strings.LastIndexByte(u.Path, '/'), 0)] + path
	return u.String(), nil
}
