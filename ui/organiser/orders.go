package organiser

import "fedtab/api/v1"

// Audit is the page of who gave which order.
type Audit struct {
	Board *Board
}

// outcome says whether an order was carried out.
func outcome(e *v1.AuditEntry) string {
	if e.Problem == "" {
		return "done"
	}
	return "refused: " + e.Problem
}
