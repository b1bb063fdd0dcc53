package admin

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"

	"fedtab/api/v1"
	"fedtab/coordinator/account"
	"fedtab/coordinator/web"
	"fedtab/run"

	"github.com/danielgtaylor/huma/v2"
)

// defaultPoints is the number of rounds of a curve.
const defaultPoints = 600

// registerWatch declares what a run's page shows.
func (h *API) registerWatch(api huma.API) {
	type curveInput struct {
		Named
		Points int `query:"points" minimum:"2" maximum:"5000" doc:"Rounds at most (default 600)"`
	}
	huma.Register(api, operation("get-curve", http.MethodGet, "/runs/{run}/curve", "runs", "Get the history of a run as columns", "Of more rounds than points there are the first, the last, and those with the extremes of the test figure, the training loss, the time and the norms in equal parts of the run.", http.StatusNotFound),
		func(_ context.Context, in *curveInput) (*answer[v1.History], error) {
			c, err := h.curve(in.Run, cmp.Or(in.Points, defaultPoints))
			if err != nil {
				return nil, h.fail(err)
			}
			return give(c), nil
		})
	h.registerParticipants(api)

	huma.Register(api, operation("get-crew", http.MethodGet, "/runs/{run}/crew", "runs", "Count the participants of a run by what they do", `Events of the run have it as "crew".`, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable),
		func(ctx context.Context, in *Named) (*answer[v1.Crew], error) {
			st, id, err := h.watched(in.Run)
			if err != nil {
				return nil, h.fail(err)
			}
			present, err := h.present(ctx, st, id)
			if err != nil {
				return nil, h.fail(err)
			}
			return give(crewOf(present)), nil
		})
	huma.Register(api, operation("get-shape", http.MethodGet, "/runs/{run}/shape", "runs", "Get how far participants came with their orders", "The session shape of Bonawitz et al., Towards federated learning at scale, 2019, table 1.", http.StatusNotFound),
		func(_ context.Context, in *Named) (*answer[v1.SessionShape], error) {
			s, err := h.shape(in.Run)
			if err != nil {
				return nil, h.fail(err)
			}
			return give(s), nil
		})
	h.registerVersions(api)
}

// watched returns the study that serves a run, and the run's identity.
func (h *API) watched(name string) (*web.Study, string, error) {
	r, err := h.Backend.Find(name)
	if err != nil {
		return nil, "", err
	}
	st := h.served(r.ID)
	if st == nil {
		return nil, "", Refuse(http.StatusConflict, "run %s is not served, so that nothing happens to it", r.ID)
	}
	return st, r.ID, nil
}

// present asks the owner of a run that a study serves who is present.
func (h *API) present(ctx context.Context, st *web.Study, id string) ([]run.Present, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	all, err := st.Present(ctx)
	if err == nil && st.Run() != id { // it has another run by now
		return nil, nil
	}
	if err != nil {
		err = Refuse(http.StatusServiceUnavailable, "run %s: %v", id, err)
	}
	return all, err
}

// crewOf counts participants by what they do.
func crewOf(present []run.Present) (c v1.Crew) {
	counts := [run.Activities]*int{
		run.Waiting: &c.Waiting, run.Downloading: &c.Downloading, run.Training: &c.Training,
		run.Uploading: &c.Uploading, run.Pausing: &c.Paused, run.Away: &c.Away,
	}
	for _, p := range present {
		*counts[p.Activity]++
		if p.Owed > 0 {
			c.Quarantined++
		}
	}
	return c
}

// shape returns how far participants came with their orders. The ledger has it counted.
func (h *API) shape(name string) (s v1.SessionShape, err error) {
	r, err := h.Backend.Find(name)
	if err != nil {
		return s, err
	}
	var l run.Ledger
	st := h.served(r.ID)
	if st != nil {
		l = st.Feed.State().Ledger
	}
	if st == nil || st.Run() != r.ID { // it may have another run by now
		if l, err = h.Store.Ledger(r.ID); err != nil {
			return s, err
		}
	}
	for _, n := range l.Shapes {
		s.Total += n
	}
	for i, n := range l.Shapes {
		shape := run.Shape(i)
		s.Items = append(s.Items, v1.Shape{Shape: shape.Symbols(), Words: shape.String(), Count: n, Share: float64(n) / float64(max(s.Total, 1))})
	}
	return s, nil
}

// participantsInput asks for a page of a run's participants.
type participantsInput struct {
	PageInput
	Sort  string `query:"sort" enum:"participant,contributions,last,rejected,rate" doc:"By what they are ordered (default participant)"`
	Order string `query:"order" enum:"asc,desc" doc:"Ascending or descending (default asc for participant, desc for everything else)"`
}

// byNumber reports whether the store has the participants in this order.
func (in *participantsInput) byNumber() bool {
	return cmp.Or(in.Sort, "participant") == "participant" && in.Order != "desc"
}

// compare compares two participants in the order that is asked for; equals are in that of
// their numbers.
func (in *participantsInput) compare(a, b v1.Participant) int {
	var c int
	switch in.Sort {
	case "contributions":
		c = cmp.Compare(a.Contributions, b.Contributions)
	case "last":
		c = cmp.Compare(a.Last, b.Last)
	case "rejected":
		c = cmp.Compare(a.Rejected, b.Rejected)
	case "rate":
		c = cmp.Compare(known(a.Rate), known(b.Rate))
	default:
		c = cmp.Compare(a.Participant, b.Participant)
	}
	if in.Order != "asc" {
		c = -c
	}
	return cmp.Or(c, cmp.Compare(a.Participant, b.Participant))
}

// known returns a figure, or -1 if it is not known.
func known(x *float64) float64 {
	if x == nil {
		return -1
	}
	return *x
}

func (h *API) registerParticipants(api huma.API) {
	huma.Register(api, operation("list-participants", http.MethodGet, "/runs/{run}/participants", "runs", "List the participants of a run", "With what committed rounds and the event log have of them and, while the run is served, what they do. In another order than that of their numbers, pages may shift while the run goes on.", http.StatusNotFound, http.StatusServiceUnavailable),
		func(ctx context.Context, in *participantsInput) (*answer[v1.Page[v1.Participant]], error) {
			r, at, err := h.find(in.Run, in.Cursor)
			if err != nil {
				return nil, h.fail(err)
			}
			if at > math.MaxUint32 {
				return nil, h.fail(Refuse(http.StatusUnprocessableEntity, "cursor: %q, want the next of the page before", in.Cursor))
			}
			limit := limitOf(in.Limit)
			if in.byNumber() {
				all, err := h.participants(ctx, r.ID, uint32(at), limit+1)
				if err != nil {
					return nil, h.fail(err)
				}
				return page(all, limit, func(m v1.Participant) int64 { return int64(m.Participant) }), nil
			}
			all, err := h.participants(ctx, r.ID, 0, -1)
			if err != nil {
				return nil, h.fail(err)
			}
			slices.SortFunc(all, in.compare)
			all = all[min(int(at), len(all)):]
			return page(all, limit, func(v1.Participant) int64 { return at + int64(limit) }), nil
		})
}

// participants returns at most limit participants of a run (-1: all) with numbers above
// after, ascending.
func (h *API) participants(ctx context.Context, id string, after uint32, limit int) ([]v1.Participant, error) {
	recorded, err := h.Store.Participants(id, after, limit)
	if err != nil {
		return nil, err
	}
	all := make([]v1.Participant, len(recorded))
	for i, m := range recorded {
		all[i] = v1.Participant{
			Participant: m.Number, Contributions: m.Contributions, Examples: m.Examples, First: m.First, Last: m.Last,
			BytesUp: m.Up, BytesDown: m.Down, Left: m.Left, Client: m.Client, Rejected: m.Rejected,
		}
	}
	if spent, err := h.Store.Spent(id); err != nil {
		return nil, err
	} else if epsilon := account.Epsilon(spent); epsilon != nil {
		for i := range all {
			all[i].Epsilon = epsilon
		}
	}
	st := h.served(id)
	if st == nil {
		return all, nil
	}
	present, err := h.present(ctx, st, id)
	for i := range all {
		enliven(&all[i], present)
	}
	return all, err
}

// enliven adds what a participant does, if it is among those present.
func enliven(m *v1.Participant, present []run.Present) {
	i, here := slices.BinarySearchFunc(present, m.Participant, func(p run.Present, n uint32) int { return cmp.Compare(p.Number, n) })
	if !here {
		m.State = "left"
		return
	}
	p := present[i]
	m.State, m.Quarantined = p.Activity.String(), p.Owed
	if p.Rate > 0 {
		m.Rate = run.Finite(&p.Rate)
	}
}

func (h *API) registerVersions(api huma.API) {
	huma.Register(api, operation("list-versions", http.MethodGet, "/runs/{run}/versions", "runs", "List the versions whose models are kept", "Ascending.", http.StatusNotFound),
		func(_ context.Context, in *Named) (*answer[v1.Versions], error) {
			r, err := h.Backend.Find(in.Run)
			if err != nil {
				return nil, h.fail(err)
			}
			kept, err := h.Store.KeptVersions(r.ID)
			if err != nil {
				return nil, h.fail(err)
			}
			v := v1.Versions{Run: r.ID, Versions: make([]uint64, len(kept)), Items: make([]v1.KeptVersion, len(kept))}
			for i, k := range kept {
				v.Versions[i] = k.Version
				v.Items[i] = v1.KeptVersion{Version: k.Version, Participants: k.Participants, TestLoss: k.TestLoss, TestAccuracy: k.TestAccuracy, ValidationLoss: k.ValidationLoss, ValidationAccuracy: k.ValidationAccuracy, Bytes: k.Bytes, Pinned: k.Pinned}
			}
			return give(v), nil
		})

	type pinInput struct {
		Named
		Version uint64 `path:"version" doc:"A number"`
	}
	pin := func(id, method, summary, description string, pinned bool) {
		op := operation(id, method, "/runs/{run}/versions/{version}/pin", "orders", summary, description, http.StatusNotFound)
		change(h, api, op,
			func(in *pinInput) (string, string) { return in.Run, "version " + number(in.Version) },
			func(_ context.Context, in *pinInput) (*answer[v1.Pinned], error) {
				r, err := h.Backend.Find(in.Run)
				if err == nil {
					err = h.Store.Pin(r.ID, in.Version, pinned)
				}
				return give(v1.Pinned{Run: r.ID, Version: in.Version, Pinned: pinned}), err
			})
	}
	pin("pin-version", http.MethodPut, "Keep a version's model", "Its parameters are kept whatever is committed, until it is unpinned. What is gone already cannot be kept.", true)
	pin("unpin-version", http.MethodDelete, "Keep a version's model no longer", "Its parameters go with the next commit, unless the rule keeps them.", false)
}
