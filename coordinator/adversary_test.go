package main

import (
	"sync"
	"testing"

	"fedtab/coordinator/swarm"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// One client in four of a swarm is an adversary: its answers are the kind's, those of
// the others are honest, and the run goes to its end.
func TestServeAdversaries(t *testing.T) {
	for _, kind := range []string{adversary.InnerProduct, adversary.Backdoor, adversary.Decline} {
		t.Run(kind, func(t *testing.T) {
			// Honest answers are packed, lies are raw.
			s := serveTest(t, Config{Tasks: []string{smallTask(t, "up: {codec: float32}", "up: {codec: deadzone}")}})
			var mu sync.Mutex
			honest, lies, declines := map[int]int{}, map[int]int{}, map[int]int{}
			totals, err := swarm.Run(t.Context(), swarm.Options{
				URL: s.socket(), Task: "small", Clients: 4, Seed: 1,
				Adversaries: adversary.Config{Kind: kind, Fraction: .25},
				OnMessage: func(client int, m protocol.Message, sent bool) {
					mu.Lock()
					defer mu.Unlock()
					switch m := m.(type) {
					case *protocol.Contribution:
						if m.Vectors[0].Codec == protocol.CodecFloat32 {
							lies[client]++
						} else {
							honest[client]++
						}
					case *protocol.Decline:
						declines[client]++
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			attacks := lies
			if kind == adversary.Decline {
				attacks = declines
			}
			if len(attacks) != 1 || len(honest) != 3 || len(lies)+len(declines) != 1 || totals.Rejected != 0 {
				t.Errorf("honest answers %v, lies %v, declines %v, by client; %d rejected; want one adversary of four, and none", honest, lies, declines, totals.Rejected)
			}
			if v := s.api(t, "/api/tasks/small"); v.Version != 3 {
				t.Errorf("version %d, want 3", v.Version)
			}
		})
	}
}
