package swarm

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// A Refusal is an HTTP answer in place of what was asked for.
type Refusal struct {
	URL    string
	Status int
	Text   string        // the status line, and the first line of the body
	Retry  time.Duration // after which to ask again, at most maxRetry; 0: the answer does not say
}

// Error describes r.
func (r *Refusal) Error() string { return r.URL + ": " + r.Text }

// Permanent reports whether the answer stays the same until somebody changes the
// address, or the coordinator's settings: every 4xx but those that ask to try again,
// and all that are no error.
func (r *Refusal) Permanent() bool {
	switch r.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.Status < 500
}

// maxBodyLine bounds what is shown of a body, in bytes.
const maxBodyLine = 300

// Refused returns what an answer says. It reads the body's first line, or the error
// that it has as JSON.
func Refused(url string, response *http.Response) *Refusal {
	text := response.Status
	if to := response.Header.Get("Location"); to != "" {
		text += " to " + to
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // what there is of it
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	why := strings.TrimSpace(string(line[:min(len(line), maxBodyLine)]))
	var answer struct{ Error string }
	if json.Unmarshal(body, &answer) == nil && answer.Error != "" {
		why = answer.Error
	}
	if why != "" && !strings.HasPrefix(why, "<") { // a page says nothing to people who read a terminal
		text += ": " + why
	}
	return &Refusal{url, response.StatusCode, text, retryAfter(response)}
}

// maxRetry bounds how long an answer can put off a request.
const maxRetry = time.Minute

// retryAfter returns when an answer allows another request; 0 if it does not say.
func retryAfter(response *http.Response) time.Duration {
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 32)
		if err == nil {
			return min(time.Duration(seconds)*time.Second, maxRetry)
		}
	}
	return 0
}

// Dial opens a WebSocket. The error is a *Refusal if there is an HTTP answer that
// refuses it.
func Dial(ctx context.Context, dialer *websocket.Dialer, url string) (*websocket.Conn, error) {
	conn, response, err := dialer.DialContext(ctx, url, nil)
	switch {
	case err == nil:
		return conn, nil
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		r := Refused(url, response)
		if r.Status < 300 || r.Status == http.StatusNotFound {
			r.Text += ", want a WebSocket: ws://HOST:PORT/ws"
		}
		return nil, r
	}
	return nil, fmt.Errorf("%s: %w", url, err)
}

// permanent reports whether another attempt to connect cannot help: a name that does
// not exist, a certificate that is not valid, an address that is not one, a path that
// is no WebSocket.
func permanent(err error) bool {
	var r *Refusal
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var network net.Error
	var closed *protocol.CloseError
	switch {
	case errors.As(err, &closed):
		return !closed.Code.Reconnect()
	case errors.As(err, &r):
		return r.Permanent()
	case errors.As(err, &name):
		return name.IsNotFound
	case errors.As(err, &certificate), errors.As(err, &record):
		return true
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return false
	}
	return true
}

// why returns an error without the ports of this side, which differ each time.
func why(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil && op.Op != "dial" {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
