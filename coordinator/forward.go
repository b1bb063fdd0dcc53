package main

// Orders of organisers that another node of a cluster must carry out.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"fedtab/coordinator/admin"

	"github.com/nats-io/nats.go"
)

// elsewhere returns what answers organisers' requests that another node must carry out; nil without
// a cluster.
func (s *Server) elsewhere() func(http.ResponseWriter, *http.Request) bool {
	if s.node == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		task := s.subject(r.URL.Path)
		if task == "" {
			return false
		}
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		h, err := s.node.cluster.Holder(ctx, task)
		if err != nil || h.Node == "" || h.Node == s.node.cluster.Node() {
			return false // this node says what is the matter
		}
		s.forward(w, r, h.Node)
		return true
	}
}

// subject returns the task that an organiser's request is about, empty if it is about none.
func (s *Server) subject(path string) string {
	rest, ok := strings.CutPrefix(path, admin.Root+"/")
	if !ok {
		return ""
	}
	kind, rest, _ := strings.Cut(rest, "/")
	name, _, _ := strings.Cut(rest, "/")
	if s.find(name) != nil {
		return name
	}
	if kind != "runs" {
		return ""
	}
	if r, err := s.backend.Find(name); err == nil {
		return r.Task
	}
	return ""
}

// forwardTimeout bounds an order that another node carries out.
const forwardTimeout = 3 * time.Minute

// forward has another node carry a request out, and passes its answer on.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, node string) {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), forwardTimeout)
	defer cancel()
	m, err := s.node.cluster.NATS().RequestWithContext(ctx, s.node.cluster.NodeSubject(node), b.Bytes())
	if err != nil {
		http.Error(w, fmt.Sprintf("node %s, which drives the run, does not answer: %v", node, err), http.StatusServiceUnavailable)
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(m.Data)), r)
	if err != nil {
		http.Error(w, fmt.Sprintf("node %s answers: %v", node, err), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for k, v := range answer.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body)
}

// forwarded carries a request of another node out.
func (s *Server) forwarded(m *nats.Msg) {
	go func() {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(m.Data)))
		if err != nil {
			s.cfg.Log.Warn("a node forwards what is no request", "error", err)
			return
		}
		a := &answer{header: http.Header{}, status: http.StatusOK}
		s.admin.Forwarded().ServeHTTP(a, r)
		whole := http.Response{StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: a.header, ContentLength: int64(a.body.Len()), Body: io.NopCloser(&a.body)}
		var b bytes.Buffer
		if err = whole.Write(&b); err == nil {
			err = m.Respond(b.Bytes())
		}
		if err != nil {
			s.cfg.Log.Warn("the answer to a node is lost", "error", err)
		}
	}()
}

// answer keeps an answer. It is a http.ResponseWriter.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
