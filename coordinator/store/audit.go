package store

import "time"

// AuditEntry is an order of an organiser, carried out or refused, or a sign-in.
type AuditEntry struct {
	ID      int64
	At      time.Time
	Who     string // role, and by which way it came
	Address string // empty: from the machine itself
	Action  string
	Subject string // a run, an invite; empty: none
	Detail  string
	Problem string // why it was refused; empty: it was done
}

// Audit records a deed. Its ID is given by the database.
func (s *Store) Audit(d AuditEntry) error {
	_, err := s.write.Exec(`INSERT INTO audit (at, who, address, action, subject, detail, problem) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		timeText(d.At), d.Who, d.Address, d.Action, d.Subject, d.Detail, d.Problem)
	return wrap(err, "audit log")
}

// AuditLog returns at most limit deeds with an ID below before (0: no bound), the newest first.
func (s *Store) AuditLog(before int64, limit int) (all []AuditEntry, err error) {
	rows, err := s.read.Query(`SELECT id, at, who, address, action, subject, detail, problem FROM audit WHERE ? = 0 OR id < ? ORDER BY id DESC LIMIT ?`, before, before, limit)
	if err != nil {
		return nil, wrap(err, "audit log")
	}
	defer rows.Close()
	for rows.Next() {
		var d AuditEntry
		var at string
		err := rows.Scan(&d.ID, &at, &d.Who, &d.Address, &d.Action, &d.Subject, &d.Detail, &d.Problem)
		if err == nil {
			d.At, err = parseTime(at)
		}
		if err != nil {
			return nil, wrap(err, "audit log")
		}
		all = append(all, d)
	}
	return all, wrap(rows.Err(), "audit log")
}
