package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/access"
	"fedtab/coordinator/store"
	"fedtab/protocol/invite"

	"github.com/danielgtaylor/huma/v2"
)

func (h *API) registerServer(api huma.API) {
	type none struct{}
	huma.Register(api, operation("get-server", http.MethodGet, "/server", "server", "Get the coordinator", "What it serves, and who asks."),
		func(ctx context.Context, _ *none) (*answer[v1.Server], error) {
			who, _ := access.From(ctx)
			s := v1.Server{Build: h.Build, Page: h.Backend.Page(), Tasks: []string{}, Role: string(who.Role), Way: who.Way}
			for _, st := range h.Backend.Studies() {
				s.Tasks = append(s.Tasks, st.Task.Name)
			}
			return give(s), nil
		})

	type auditInput struct {
		Cursor string `query:"cursor" doc:"next of the page before"`
		Limit  int    `query:"limit" minimum:"1" maximum:"10000" doc:"Items in a page (default 100)"`
	}
	huma.Register(api, operation("list-audit", http.MethodGet, "/audit", "server", "Read the audit log", "Who did what, the newest first."),
		func(_ context.Context, in *auditInput) (*answer[v1.Page[v1.AuditEntry]], error) {
			before, err := cursor(in.Cursor)
			if err != nil {
				return nil, h.fail(err)
			}
			all, err := h.Store.AuditLog(before, limitOf(in.Limit)+1)
			if err != nil {
				return nil, h.fail(err)
			}
			items := make([]v1.AuditEntry, len(all))
			for i, d := range all {
				items[i] = v1.AuditEntry(d)
			}
			return page(items, limitOf(in.Limit), func(d v1.AuditEntry) int64 { return d.ID }), nil
		})

	huma.Register(api, operation("list-invites", http.MethodGet, "/invites", "invites", "List the invites", "Those that were made first in front."),
		func(_ context.Context, _ *none) (*answer[[]v1.Invite], error) {
			all, err := h.Store.Invites()
			if err != nil {
				return nil, h.fail(err)
			}
			items := make([]v1.Invite, len(all))
			for i := range all {
				items[i] = viewInvite(&all[i], time.Now())
			}
			return give(items), nil
		})
	type inviteInput struct{ Body v1.InviteOrder }
	op := operation("make-invite", http.MethodPost, "/invites", "invites", "Make an invite", "Its code is told in the answer, and never again.", http.StatusNotFound, http.StatusConflict)
	op.DefaultStatus = http.StatusCreated
	change(h, api, op, func(in *inviteInput) (string, string) { return in.Body.Task, number(in.Body.Uses) + " uses" },
		func(_ context.Context, in *inviteInput) (*answer[v1.NewInvite], error) {
			made, err := h.Backend.Invite(in.Body)
			return give(made), err
		})
	type revokeInput struct {
		ID string `path:"id" doc:"Of an invite, hexadecimal"`
	}
	change(h, api, operation("revoke-invite", http.MethodDelete, "/invites/{id}", "invites", "Revoke an invite", "It admits no further participant; those that have joined stay.", http.StatusNotFound),
		func(in *revokeInput) (string, string) { return in.ID, "" },
		func(_ context.Context, in *revokeInput) (*none, error) {
			id, err := invite.ParseID(in.ID)
			if err != nil {
				return nil, Refuse(http.StatusUnprocessableEntity, "id: %v", err)
			}
			return nil, h.Backend.Revoke(id)
		})
	h.describeSession(api)
}

// viewInvite is an invite in the API.
func viewInvite(i *store.Invite, now time.Time) v1.Invite {
	v := v1.Invite{ID: i.ID.String(), Task: i.Task, Uses: i.Uses, Used: i.Used, Created: i.Created, Expires: i.Expires.UTC(), State: "valid"}
	switch {
	case i.Uses == 0:
		v.State = "revoked"
	case !now.Before(i.Expires):
		v.State = "expired"
	case i.Used >= i.Uses:
		v.State = "used up"
	}
	return v
}

// maxSignIn bounds the body of a sign-in, bytes.
const maxSignIn = 4 << 10

// session answers the one path that needs no token: POST signs in, DELETE signs out.
func (h *API) session(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodPost:
		var in v1.SignIn
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSignIn))
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil {
			problem(w, http.StatusBadRequest, `the body is no JSON of the form {"token": "..."}`)
			return
		}
		who, err := h.Gate.SignIn(w, r, in.Token)
		if h.refused(w, err) {
			return
		}
		h.audit(who, "sign-in", "", "", nil)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"role": string(who.Role)})
	case http.MethodDelete:
		who := h.Gate.Who(r)
		if !h.refused(w, h.Gate.SignOut(w, r)) {
			if who.Role != "" {
				h.audit(who, "sign-out", "", "", nil)
			}
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.Header().Set("Allow", "POST, DELETE")
		problem(w, http.StatusMethodNotAllowed, "want POST to sign in, DELETE to sign out")
	}
}

// refused answers with the refusal of the gate, if there is one.
func (h *API) refused(w http.ResponseWriter, err error) bool {
	var refusal *access.Refusal
	if !errors.As(err, &refusal) {
		return false
	}
	refusal.SetHeaders(w.Header())
	problem(w, refusal.Status, refusal.Text)
	return true
}

// describeSession adds the operations of session to the document: they set cookies, which
// its handler does by itself.
func (h *API) describeSession(api huma.API) {
	refused := func(text string) *huma.Response {
		return &huma.Response{Description: text, Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}}}
	}
	schema := huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[v1.SignIn]())
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: Root + "/session", Tags: []string{"server"}, Summary: "Sign in",
		Description: "Turns a token into a session cookie (HttpOnly, SameSite=Strict) of 12 hours.", Security: []map[string][]string{},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
		Responses: map[string]*huma.Response{
			"200": {Description: "Signed in", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"role": {Type: huma.TypeString, Enum: []any{"organiser", "viewer"}}}}}}},
			"400": refused("Bad Request"), "401": refused("Unauthorized"), "429": refused("Too Many Requests"),
		},
	})
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "sign-out", Method: http.MethodDelete, Path: Root + "/session", Tags: []string{"server"}, Summary: "Sign out", Security: []map[string][]string{},
		Responses: map[string]*huma.Response{"204": {Description: "Signed out"}, "403": refused("Forbidden")},
	})
}
