package account

import (
	"encoding/json"
	"fmt"

	"fedtab/protocol"
	"fedtab/run"
)

// ledger is a run's ledger as JSON.
type ledger struct {
	BytesUp      int64            `json:"bytes_up"`
	BytesDown    int64            `json:"bytes_down"`
	ModelsUp     int64            `json:"models_up"`
	ModelsDown   int64            `json:"models_down"`
	MessagesUp   int64            `json:"messages_up"`
	MessagesDown int64            `json:"messages_down"`
	Kinds        json.RawMessage  `json:"kinds"`   // bytes by kind of message
	Answers      map[string]int64 `json:"answers"` // to contributions, by reason
	Abandoned    int64            `json:"abandoned"`
	RolledBack   int64            `json:"rolled_back"`
	Shapes       map[string]int64 `json:"shapes,omitempty"` // orders that have ended, by how far they came, as symbols
}

// Ledger writes a run's ledger.
func Ledger(l *run.Ledger) string {
	v := ledger{
		l.Up, l.Down, l.ModelsUp, l.ModelsDown, l.MessagesUp, l.MessagesDown,
		json.RawMessage(Kinds(&l.Traffic)), map[string]int64{}, l.Abandoned, l.RolledBack, map[string]int64{},
	}
	for reason, n := range l.Answers {
		if n != 0 {
			v.Answers[protocol.Reason(reason).String()] = n
		}
	}
	for shape, n := range l.Shapes {
		if n != 0 {
			v.Shapes[run.Shape(shape).Symbols()] = n
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and names
	}
	return string(b)
}

// ParseLedger reads what Ledger has written.
func ParseLedger(l *run.Ledger, text string) error {
	var v ledger
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	*l = run.Ledger{
		Traffic:    run.Traffic{Up: v.BytesUp, Down: v.BytesDown, ModelsUp: v.ModelsUp, ModelsDown: v.ModelsDown},
		MessagesUp: v.MessagesUp, MessagesDown: v.MessagesDown, Abandoned: v.Abandoned, RolledBack: v.RolledBack,
	}
	for reason := range l.Answers {
		l.Answers[reason] = v.Answers[protocol.Reason(reason).String()]
	}
	for shape := range l.Shapes {
		l.Shapes[shape] = v.Shapes[run.Shape(shape).Symbols()]
	}
	return ParseKinds(&l.Traffic, string(v.Kinds))
}
