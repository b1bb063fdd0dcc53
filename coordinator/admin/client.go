package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client asks the API, of a coordinator that runs or of a handler in this process.
type Client struct{ http.Client }

// Local returns a client of a handler in this process.
func Local(h http.Handler) *Client { return &Client{http.Client{Transport: local{h}}} }

// Do asks for a path below Root, with a body in JSON if it is not nil, and reads the answer
// into answer if that is not nil. A problem that the API answers with becomes an error with
// its detail.
func (c *Client) Do(ctx context.Context, method, path string, body, answer any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	return c.Send(ctx, method, path, "application/json", &text, answer)
}

// Send is Do with a body of any type.
func (c *Client) Send(ctx context.Context, method, path, contentType string, body io.Reader, answer any) error {
	_, err := c.Ask(ctx, method, path, http.Header{"Content-Type": {contentType}}, body, answer)
	return err
}

// Ask is Send with header fields, and returns those of the answer.
func (c *Client) Ask(ctx context.Context, method, path string, header http.Header, body io.Reader, answer any) (http.Header, error) {
	response, err := c.request(ctx, method, path, header, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body) // all of it: a handler in this process waits for its reader
	if to, ok := answer.(*[]byte); ok {
		*to = content
	} else if answer != nil && err == nil {
		err = json.Unmarshal(content, answer)
	}
	if err != nil {
		return nil, fmt.Errorf("the coordinator answers %s: %w", response.Status, err)
	}
	return response.Header, nil
}

// Open asks for a path and returns the header fields of the answer, and its body, which is to
// be read as it comes and to be closed.
func (c *Client) Open(ctx context.Context, path string) (http.Header, io.ReadCloser, error) {
	response, err := c.request(ctx, http.MethodGet, path, http.Header{}, nil)
	if err != nil {
		return nil, nil, err
	}
	return response.Header, response.Body, nil
}

// request returns an answer that is no problem.
func (c *Client) request(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://coordinator"+Root+path, body)
	if err != nil {
		return nil, err
	}
	request.Header = header
	response, err := c.Client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 400 {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}

// problemOf returns the error that an answer stands for.
func problemOf(r *http.Response) error {
	var p struct {
		Detail string
		Errors []struct{ Message, Location string }
	}
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Detail == "" {
		return fmt.Errorf("the coordinator answers %s", r.Status)
	}
	for _, e := range p.Errors {
		p.Detail += "; " + strings.TrimPrefix(e.Location+": ", ": ") + e.Message
	}
	return errors.New(p.Detail)
}

// local is the transport to a handler.
type local struct{ handler http.Handler }

func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, to := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: to, begun: make(chan *http.Response, 1)}
	go w.serve(l.handler, r)
	response := <-w.begun
	response.Body, response.Request = body, r
	return response, nil
}

// pipeWriter passes an answer on as it is written.
type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	begun  chan *http.Response // gets the answer's head
	status int                 // 0 before that
}

// serve has a handler answer. An answer that is broken off ends with an error.
func (w *pipeWriter) serve(h http.Handler, r *http.Request) {
	defer func() {
		broken := recover()
		if broken != nil && broken != http.ErrAbortHandler {
			panic(broken)
		}
		w.WriteHeader(http.StatusOK)
		if broken != nil {
			w.body.CloseWithError(io.ErrUnexpectedEOF)
		}
		w.body.Close()
	}()
	h.ServeHTTP(w, r)
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	w.begun <- &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header.Clone(), ContentLength: -1,
	}
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
