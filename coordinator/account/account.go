// Package account writes a run's figures as JSON, the same wherever they are shown:
// byte accounts and evaluations, in results, in the database, by the API and on the
// page.
package account

import (
	"encoding/json"
	"fmt"

	"fedtab/run"
)

// Figures is an account as JSON.
type Figures struct {
	BytesUp    int64 `json:"bytes_up"`
	BytesDown  int64 `json:"bytes_down"`
	ModelsUp   int64 `json:"models_up"` // vectors as long as the model, however packed
	ModelsDown int64 `json:"models_down"`
	run.Density
	Kinds json.RawMessage `json:"kinds"` // bytes by kind of message
}

// Of returns the figures of an account, for models with the given number of
// parameters.
func Of(t *run.Traffic, parameters int) Figures {
	return Figures{t.Up, t.Down, t.ModelsUp, t.ModelsDown, t.Density(parameters), json.RawMessage(Kinds(t))}
}

// Kinds writes the bytes by kind of message; kinds without any are left out.
func Kinds(t *run.Traffic) string {
	kinds := map[string]run.KindTraffic{}
	for k, n := range t.Kinds {
		if n != (run.KindTraffic{}) {
			kinds[run.KindName(k)] = n
		}
	}
	b, err := json.Marshal(kinds)
	if err != nil {
		panic(err) // numbers and names
	}
	return string(b)
}

// ParseKinds reads into t what Kinds has written; an empty text is no bytes.
func ParseKinds(t *run.Traffic, text string) error {
	if text == "" {
		return nil
	}
	var kinds map[string]run.KindTraffic
	if err := json.Unmarshal([]byte(text), &kinds); err != nil {
		return fmt.Errorf("bytes by kind: %w", err)
	}
	for k := range t.Kinds {
		t.Kinds[k] = kinds[run.KindName(k)]
	}
	return nil
}
