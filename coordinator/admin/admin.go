// Package admin is the organisers' HTTP API, /api/v1 of the admin address and of the socket
// in the data directory: runs and what is recorded of them, orders to change them, invites,
// and an audit log. It is described by an OpenAPI document that is made from the same
// declarations as its handlers (docs/openapi.yaml, docs/adr/0018-organisers-api.md). A
// Backend carries the orders out.
package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/access"
	"fedtab/coordinator/store"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Root is the path below which the API is.
const Root = "/api/v1"

// Limits of the API.
const (
	defaultPage   = 100
	orderTimeout  = 2 * time.Minute  // a version that is being made comes first
	uploadTimeout = 10 * time.Minute // of a model that a run begins with

	// MaxReason is the max length of the reason that an organiser gives, in characters.
	MaxReason = 200
)

// Config is what the API works on.
type Config struct {
	Backend Backend
	Store   store.Shown
	Gate    *access.Gate // of Guarded; nil: there is only the socket
	Build   string
	Log     *slog.Logger
	// Elsewhere answers a request that another node of a cluster must carry out, and reports
	// whether it has; nil: there is no cluster.
	Elsewhere func(w http.ResponseWriter, r *http.Request) bool
}

// API is the organisers' API.
type API struct {
	Config
	process string // of this one, in the ids of events
	mux     *http.ServeMux
	curves  curves
	crews   crews
}

// New returns the API of a coordinator, or of a database.
func New(cfg Config) *API {
	h := &API{Config: cfg, process: strconv.FormatInt(time.Now().UnixMilli(), 36), mux: http.NewServeMux()}
	h.register(humago.New(h.mux, config(cfg.Build)))
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, fmt.Sprintf("there is no %s %s here; GET %s/openapi.yaml says what there is", r.Method, r.URL.Path, Root))
	})
	return h
}

// Socket returns the handler for whoever may write to the data directory: the organiser.
func (h *API) Socket() http.Handler { return access.Socket(http.HandlerFunc(h.serve)) }

// Forwarded returns the handler of requests that another node has let in.
func (h *API) Forwarded() http.Handler { return access.Socket(h.mux) }

// serve carries a request out, or has another node do so.
func (h *API) serve(w http.ResponseWriter, r *http.Request) {
	if h.Elsewhere == nil || !h.Elsewhere(w, r) {
		h.mux.ServeHTTP(w, r)
	}
}

// Guarded returns the handler for those whom the gate lets in. It must be called before the
// gate's first request.
func (h *API) Guarded() http.Handler {
	h.Gate.Refuse = func(w http.ResponseWriter, r *http.Request, refused *access.Refusal) {
		if refused.Who.Role != "" { // it is known who was refused
			h.audit(refused.Who, r.Method+" "+strings.TrimPrefix(r.URL.Path, Root), "", "", Refuse(refused.Status, "%s", refused.Text))
		}
		problem(w, refused.Status, refused.Text)
	}
	guarded := h.Gate.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An order takes longer than other requests to a side address. An error means that there
		// are no deadlines, as in tests.
		control, until := http.NewResponseController(w), time.Now().Add(uploadTimeout+orderTimeout)
		control.SetReadDeadline(until)
		control.SetWriteDeadline(until)
		h.serve(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Root+"/session" {
			h.session(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// Document returns the OpenAPI document, YAML.
func Document() ([]byte, error) {
	api := humago.New(http.NewServeMux(), config(""))
	new(API).register(api)
	return api.OpenAPI().YAML()
}

func config(build string) huma.Config {
	c := huma.DefaultConfig("fedtab, for organisers", "1")
	c.CreateHooks = nil // no links to schemas in the answers
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = Root+"/openapi", "", ""
	c.RejectUnknownQueryParameters = true
	c.Info.Description = "Runs, what is recorded of them, and orders to change them. docs/api.md has an introduction."
	c.Servers = []*huma.Server{{URL: "http://127.0.0.1:8081", Description: "the admin address, as coordinator serve prints it"}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "The organiser's token, or the viewer's for GET"},
		"session": {Type: "apiKey", In: "cookie", Name: "fedtab-session", Description: "Made by signing in; __Host-fedtab-session over TLS"},
	}
	c.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	c.Tags = []*huma.Tag{
		{Name: "runs", Description: "What there is"}, {Name: "orders", Description: "What changes a run: they need the organiser's token"},
		{Name: "tasks", Description: "What can be served, and what is"},
		{Name: "invites", Description: "Invites to tasks"}, {Name: "server", Description: "The coordinator, access, and who did what"},
	}
	return c
}

// problem writes problem details (RFC 9457).
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}

// fail makes an error of the API of an error of the backend or the store.
func (h *API) fail(err error) error {
	if err == nil {
		return nil
	}
	status, text := refusal(err)
	if status == http.StatusInternalServerError && h.Log != nil {
		h.Log.Error("organiser's API", "error", err)
	}
	return huma.NewError(status, text)
}

// operation declares an operation with the errors that it may answer with.
func operation(id, method, path, tag, summary, description string, errors ...int) huma.Operation {
	errors = append(errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusUnprocessableEntity, http.StatusInternalServerError)
	if method != http.MethodGet {
		errors = append(errors, http.StatusInsufficientStorage)
	}
	slices.Sort(errors)
	return huma.Operation{OperationID: id, Method: method, Path: Root + path, Tags: []string{tag}, Summary: summary, Description: description, Errors: slices.Compact(errors)}
}

// Named is an order's or a question's run.
type Named struct {
	Run string `path:"run" doc:"Identity of a run, its number, or the name of a task for its newest run" maxLength:"200"`
}

// answer is a body.
type answer[T any] struct {
	CacheControl string `header:"Cache-Control"`
	Body         T
}

func give[T any](v T) *answer[T] { return &answer[T]{"no-store", v} }

// change registers an operation that changes something: it needs the organiser's role, and
// the audit log has who asked for it, whether it was done or not.
func change[I, O any](h *API, api huma.API, op huma.Operation, what func(*I) (subject, detail string), do func(context.Context, *I) (*O, error)) {
	op.BodyReadTimeout = uploadTimeout // it would end the order, too, where the body is empty
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, orderTimeout)
		defer cancel()
		subject, detail := what(in)
		if strings.Contains(op.Path, "{run}") {
			if r, err := h.Backend.Find(subject); err == nil {
				subject = r.ID // it may be named by its number or its task, and be gone afterwards
			}
		}
		out, err := do(ctx, in)
		if made, ok := any(out).(*answer[v1.Done]); ok && err == nil && made.Body.Run != "" && made.Body.Run != subject {
			detail = strings.TrimSpace(detail + " as " + made.Body.Run)
		}
		who, _ := access.From(ctx)
		h.audit(who, op.OperationID, subject, detail, err)
		return out, h.fail(err)
	})
}

// audit records an order, a sign-in or a sign-out. What cannot be recorded is in the log at
// least.
func (h *API) audit(who access.Who, action, subject, detail string, refused error) {
	d := store.AuditEntry{At: time.Now(), Who: who.String(), Address: who.Address, Action: action, Subject: subject, Detail: detail}
	if refused != nil {
		_, d.Problem = refusal(refused)
	}
	if err := h.Store.Audit(d); err != nil && h.Log != nil {
		h.Log.Error("audit log cannot be written", "who", d.Who, "action", action, "subject", subject, "error", err)
	}
}

// cursor returns the number that a cursor stands for, 0 for none.
func cursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, Refuse(http.StatusUnprocessableEntity, "cursor: %q, want the next of the page before", text)
	}
	return n, nil
}

// page returns a page of items, of which one more than limit was asked for, with the cursor
// of the next.
func page[T any](items []T, limit int, number func(T) int64) *answer[v1.Page[T]] {
	p := v1.Page[T]{Items: items}
	if len(items) > limit {
		p.Items = items[:limit]
		p.Next = strconv.FormatInt(number(p.Items[limit-1]), 10)
	}
	if p.Items == nil {
		p.Items = []T{}
	}
	return give(p)
}

// tagged is a body that clients may keep and ask for again.
type tagged[T any] struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         T
}

// etag returns the entity tag of a value, as JSON.
func etag(v any) string {
	sum := sha256.Sum256(encode(v))
	return fmt.Sprintf(`"%x"`, sum[:12])
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain values
	}
	return b
}

// matches reports whether a list of entity tags, as in If-Match, has one.
func matches(list, tag string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// tag answers with a value, or with 304 if the client has it.
func tag[T any](v T, ifNoneMatch string) (*tagged[T], error) {
	t := etag(v)
	if ifNoneMatch != "" && matches(ifNoneMatch, t) {
		return nil, huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"ETag": {t}, "Cache-Control": {"no-cache"}})
	}
	return &tagged[T]{t, "no-cache", v}, nil
}

// limitOf returns the limit of a page that is asked for.
func limitOf(n int) int { return cmp.Or(n, defaultPage) }

// number writes a number for the audit log.
func number[T ~int | ~uint32 | ~uint64](n T) string { return strconv.FormatInt(int64(n), 10) }
