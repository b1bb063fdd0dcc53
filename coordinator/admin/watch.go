package admin

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"

	"fedtab/coordinator/web"
	"fedtab/run"

	"github.com/danielgtaylor/huma/v2"
)

// History is that of a run, at some of its rounds, as columns of equal length. What is
// not known or not defined is null.
type History struct {
	Run          string     `json:"run"`
	Rounds       int        `json:"rounds" doc:"That are committed in all"`
	Round        []uint64   `json:"round" doc:"Ascending"`
	At           []float64  `json:"at" doc:"Of its commit, seconds since the run was created"`
	Examples     []float64  `json:"examples" doc:"Behind the contributions to it and to all rounds before, each round's counted"`
	Bytes        []int64    `json:"bytes" doc:"That have travelled in it and in all rounds before, both ways"`
	Participants []int      `json:"participants" doc:"Whose contributions are in it"`
	TrainLoss    []*float64 `json:"train_loss" doc:"Mean"`
	TestLoss     []*float64 `json:"test_loss" doc:"Mean"`
	TestAccuracy []*float64 `json:"test_accuracy" doc:"0 to 1; null where numbers are predicted"`
	TestRMSE     []*float64 `json:"test_rmse" doc:"In the unit of the target; null where classes are predicted"`
	Rate         []*float64 `json:"rate" doc:"Effective learning rate"`
	BytesUp      []int64    `json:"bytes_up" doc:"Of the round"`
	BytesDown    []int64    `json:"bytes_down" doc:"Of the round"`
	RawRatio     []*float64 `json:"raw_ratio" doc:"The round's models as raw float32, by the bytes that travelled"`
	Seconds      []float64  `json:"seconds" doc:"From opening to commit"`
	Waiting      []*float64 `json:"waiting" doc:"Seconds of the time since the commit before that are none of the following four: until the order went out whose contribution came last; where those are null, until the round opened"`
	Download     []*float64 `json:"download" doc:"Seconds from that order until its participant told that it trains; null where it did not, and then part of training"`
	Training     []*float64 `json:"training" doc:"Seconds until its contribution began to come"`
	Upload       []*float64 `json:"upload" doc:"Seconds until it was there; 0 for one of a single message"`
	Commit       []*float64 `json:"commit" doc:"Seconds until the version was made, without the time of the disk"`
	NormMin      []*float64 `json:"norm_min" doc:"Smallest Euclidean norm of a contribution"`
	NormMedian   []*float64 `json:"norm_median" doc:"Median of them"`
	NormMax      []*float64 `json:"norm_max" doc:"Largest of them"`
}

// Crew is how many participants do what. Those in quarantine are among the others.
type Crew struct {
	Waiting     int `json:"waiting" doc:"Have no order, or have answered it"`
	Downloading int `json:"downloading" doc:"Have an order, and have not told that they train"`
	Training    int `json:"training" doc:"Have told so"`
	Uploading   int `json:"uploading" doc:"Their contribution is coming"`
	Paused      int `json:"paused" doc:"By the person, or frozen by the browser"`
	Away        int `json:"away" doc:"Have lost their connection, and may resume"`
	Quarantined int `json:"quarantined" doc:"Of all these: their contributions are judged before they count again"`
}

// Shape is how often participants came how far with an order.
type Shape struct {
	Shape string  `json:"shape" doc:"- order given, v model downloaded, [ training begun, ] completed, + upload begun, ^ completed, # refused, ! interrupted, * error" example:"-v[]+^"`
	Words string  `json:"words" example:"contributed"`
	Count int64   `json:"count" doc:"Orders that have ended so"`
	Share float64 `json:"share" doc:"Of total, 0 to 1"`
}

// SessionShape is how far participants came with their orders.
type SessionShape struct {
	Items []Shape `json:"items" doc:"All shapes, those first that came furthest"`
	Total int64   `json:"total" doc:"Orders that have ended, since a version of fedtab serves the run that counts them"`
}

// KeptVersion is a version whose parameters are kept.
type KeptVersion struct {
	Version      uint64   `json:"version" doc:"Also the number of the round that made it"`
	Participants int      `json:"participants" doc:"Whose contributions are in it"`
	TestLoss     *float64 `json:"test_loss" doc:"Mean; null: it was not evaluated"`
	TestAccuracy *float64 `json:"test_accuracy" doc:"0 to 1"`
	Bytes        int64    `json:"bytes" doc:"Of its parameters"`
	Pinned       bool     `json:"pinned" doc:"Its parameters are kept whatever is committed"`
}

// Pinned says whether the parameters of a version are kept whatever is committed.
type Pinned struct {
	Run     string `json:"run" doc:"Identity of the run"`
	Version uint64 `json:"version"`
	Pinned  bool   `json:"pinned"`
}

// defaultPoints is the number of rounds of a curve.
const defaultPoints = 600

// registerWatch declares what a run's page shows.
func (h *API) registerWatch(api huma.API) {
	type curveInput struct {
		Named
		Points int `query:"points" minimum:"2" maximum:"5000" doc:"Rounds at most (default 600)"`
	}
	huma.Register(api, operation("get-curve", http.MethodGet, "/runs/{run}/curve", "runs", "Get the history of a run as columns", "Of more rounds than points there are the first, the last, and those with the extremes of the test figure, the training loss, the time and the norms in equal parts of the run.", http.StatusNotFound),
		func(_ context.Context, in *curveInput) (*answer[History], error) {
			c, err := h.curve(in.Run, cmp.Or(in.Points, defaultPoints))
			if err != nil {
				return nil, h.fail(err)
			}
			return give(c), nil
		})
	h.registerParticipants(api)

	huma.Register(api, operation("get-crew", http.MethodGet, "/runs/{run}/crew", "runs", "Count the participants of a run by what they do", `Events of the run have it as "crew".`, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable),
		func(ctx context.Context, in *Named) (*answer[Crew], error) {
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
		func(_ context.Context, in *Named) (*answer[SessionShape], error) {
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
func crewOf(present []run.Present) (c Crew) {
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
func (h *API) shape(name string) (s SessionShape, err error) {
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
		s.Items = append(s.Items, Shape{shape.Symbols(), shape.String(), n, float64(n) / float64(max(s.Total, 1))})
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
func (in *participantsInput) compare(a, b Participant) int {
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
		func(ctx context.Context, in *participantsInput) (*answer[Page[Participant]], error) {
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
				return page(all, limit, func(m Participant) int64 { return int64(m.Participant) }), nil
			}
			all, err := h.participants(ctx, r.ID, 0, -1)
			if err != nil {
				return nil, h.fail(err)
			}
			slices.SortFunc(all, in.compare)
			all = all[min(int(at), len(all)):]
			return page(all, limit, func(Participant) int64 { return at + int64(limit) }), nil
		})
}

// participants returns at most limit participants of a run (-1: all) with numbers above
// after, ascending.
func (h *API) participants(ctx context.Context, id string, after uint32, limit int) ([]Participant, error) {
	recorded, err := h.Store.Participants(id, after, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Participant, len(recorded))
	for i, m := range recorded {
		all[i] = Participant{
			Participant: m.Number, Contributions: m.Contributions, Examples: m.Examples, First: m.First, Last: m.Last,
			BytesUp: m.Up, BytesDown: m.Down, Left: m.Left, Client: m.Client, Rejected: m.Rejected,
		}
	}
	st := h.served(id)
	if st == nil {
		return all, nil
	}
	present, err := h.present(ctx, st, id)
	for i := range all {
		all[i].enliven(present)
	}
	return all, err
}

// enliven adds what a participant does, if it is among those present.
func (m *Participant) enliven(present []run.Present) {
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
		func(_ context.Context, in *Named) (*answer[Versions], error) {
			r, err := h.Backend.Find(in.Run)
			if err != nil {
				return nil, h.fail(err)
			}
			kept, err := h.Store.KeptVersions(r.ID)
			if err != nil {
				return nil, h.fail(err)
			}
			v := Versions{Run: r.ID, Versions: make([]uint64, len(kept)), Items: make([]KeptVersion, len(kept))}
			for i, k := range kept {
				v.Versions[i] = k.Version
				v.Items[i] = KeptVersion{k.Version, k.Participants, k.TestLoss, k.TestAccuracy, k.Bytes, k.Pinned}
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
			func(_ context.Context, in *pinInput) (*answer[Pinned], error) {
				r, err := h.Backend.Find(in.Run)
				if err == nil {
					err = h.Store.Pin(r.ID, in.Version, pinned)
				}
				return give(Pinned{r.ID, in.Version, pinned}), err
			})
	}
	pin("pin-version", http.MethodPut, "Keep a version's model", "Its parameters are kept whatever is committed, until it is unpinned. What is gone already cannot be kept.", true)
	pin("unpin-version", http.MethodDelete, "Keep a version's model no longer", "Its parameters go with the next commit, unless the rule keeps them.", false)
}
