package data

// Part returns own data of some of the rows of o, which share its memory: what a
// participant of a simulation has. rows are indices into all of o, its holdout included.
// The schema s is that of o but for the holdout and the bounds. The error wraps
// ErrFormat.
func (o *Own) Part(s *Schema, rows []int32, seed uint64) (*Own, error) {
	p := &Own{Schema: s, Seed: seed, table: o.table, images: o.images}
	if err := p.split(len(rows)); err != nil {
		return nil, err
	}
	for _, part := range [][]int32{p.train, p.test} {
		for i, r := range part {
			part[i] = rows[r]
		}
	}
	return p, nil
}

// Labels returns the classes of all examples, the holdout included; nil in a regression.
func (o *Own) Labels() []uint8 {
	if o.images != nil {
		return o.images.Y
	}
	return o.table.labels
}
