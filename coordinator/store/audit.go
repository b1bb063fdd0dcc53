package store

import "time"

// Deed is something that somebody did, or tried to do, as an organiser.
type Deed struct {
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
func (s *Store) Audit(d Deed) error {
	_, err := s.write.Exec(`INSERT INTO audit (at, who, address, action, subject, detail, problem) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		timeText(d.At), d.Who, d.Address, d.Action, d.Subject, d.Detail, d.Problem)
	return wrap(err, "audit log")
}

// Deeds returns at most limit deeds with an ID below before (0: no bound), the newest first.
func (s *Store) Deeds(before int64, limit int) (all []Deed, err error) {
	rows, err := s.read.Query(`SELECT id, at, who, address, action, subject, detail, problem FROM audit WHERE ? = 0 OR id < ? ORDER BY id DESC LIMIT ?`, before, before, limit)
	if err != nil {
		return nil, wrap(err, "audit log")
	}
	defer rows.Close()
	for rows.Next() {
		var d Deed
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
