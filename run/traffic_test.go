package run

import (
	"encoding/json"
	"testing"
)

// Bits for a parameter and the ratio to raw float32, and where there is nothing
// to divide by.
func TestDensity(t *testing.T) {
	for _, c := range []struct {
		name       string
		traffic    Traffic
		parameters int
		want       string
	}{
		{"raw, without a header", Traffic{Up: 800, Down: 400, ModelsUp: 2, ModelsDown: 1}, 100, `{"bits_up":32,"bits_down":32,"raw_ratio":1}`},
		{"a bit up, half a bit down", Traffic{Up: 250, Down: 125, ModelsUp: 2, ModelsDown: 2}, 1000, `{"bits_up":1,"bits_down":0.5,"raw_ratio":42.666666666666664}`},
		{"nothing down but small messages", Traffic{Up: 125, Down: 75, ModelsUp: 1}, 1000, `{"bits_up":1,"bits_down":null,"raw_ratio":20}`},
		{"nothing up but small messages", Traffic{Up: 10, Down: 190, ModelsDown: 1}, 1000, `{"bits_up":null,"bits_down":1.52,"raw_ratio":20}`},
		{"no model", Traffic{Up: 10, Down: 20}, 1000, `{"bits_up":null,"bits_down":null,"raw_ratio":null}`},
		{"not counted", Traffic{}, 1000, `{"bits_up":null,"bits_down":null,"raw_ratio":null}`},
		{"models without bytes", Traffic{ModelsUp: 1, ModelsDown: 1}, 1000, `{"bits_up":null,"bits_down":null,"raw_ratio":null}`},
		{"no parameters", Traffic{Up: 10, Down: 20, ModelsUp: 1, ModelsDown: 1}, 0, `{"bits_up":null,"bits_down":null,"raw_ratio":null}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := json.Marshal(c.traffic.Density(c.parameters))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}
