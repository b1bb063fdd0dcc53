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
	request, err := http.NewRequestWithContext(ctx, method, "http://coordinator"+Root+path, body)
	if err != nil {
		return nil, err
	}
	request.Header = header
	response, err := c.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return nil, problemOf(response)
	}
	if to, ok := answer.(*[]byte); ok {
		*to, err = io.ReadAll(response.Body)
	} else if answer != nil {
		err = json.NewDecoder(response.Body).Decode(answer)
	}
	if err != nil {
		return nil, fmt.Errorf("the coordinator answers %s: %w", response.Status, err)
	}
	return response.Header, nil
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
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	l.handler.ServeHTTP(w, r)
	return &http.Response{
		StatusCode: w.status, Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
