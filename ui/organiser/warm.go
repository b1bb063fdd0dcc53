package organiser

import (
	"encoding/json"
	"fmt"

	"fedtab/api/v1"
	"fedtab/ui/draw"

	"github.com/vugu/vugu"
)

// warm has the browser compile what opens a run, while nobody waits: it compiles functions
// when they are called first, which takes longer than all charts of a long run. It returns
// the charts of a history that nobody sees.
func warm() (charts []Chart, err error) {
	const n = 64
	h := v1.History{Rounds: n}
	for i := range n {
		x := float64(i)
		h.Round = append(h.Round, uint64(i))
		h.At, h.Examples, h.Seconds = append(h.At, x), append(h.Examples, x), append(h.Seconds, x)
		h.Participants = append(h.Participants, i)
		h.Bytes, h.BytesUp, h.BytesDown = append(h.Bytes, int64(i)), append(h.BytesUp, int64(i)), append(h.BytesDown, int64(i))
		for _, column := range []*[]*float64{&h.TestAccuracy, &h.TestLoss, &h.TrainLoss, &h.RawRatio, &h.Waiting, &h.Download, &h.Training, &h.Upload, &h.Commit, &h.Rate, &h.NormMin, &h.NormMedian, &h.NormMax, &h.Epsilon} {
			*column = append(*column, &x)
		}
	}
	history, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("organiser: %w", err)
	}
	detail, err := json.Marshal(v1.Detail{})
	if err != nil {
		return nil, fmt.Errorf("organiser: %w", err)
	}
	env, err := vugu.NewBuildEnv()
	if err != nil {
		return nil, fmt.Errorf("organiser: %w", err)
	}
	for range 8 { // often enough for the compiler that makes fast code
		b := &Board{Signed: SignedIn, Route: Route{Page: RunPage}}
		var d v1.Detail
		if err := json.Unmarshal(detail, &d); err != nil {
			return nil, fmt.Errorf("organiser: %w", err)
		}
		if err := json.Unmarshal(history, &b.One.Curves); err != nil {
			return nil, fmt.Errorf("organiser: %w", err)
		}
		b.OnDetail(d, nil)
		draw.Build(env, &Run{Board: b})
		charts = b.Charts()
	}
	return charts, nil
}
