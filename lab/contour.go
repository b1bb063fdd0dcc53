package lab

// field is values on a grid of places.
type field struct {
	low, high Point
	n         int       // places along each axis
	values    []float64 // [n, n]: rows from low.Y on
}

// newField computes a function on a grid.
func newField(low, high Point, n int, f func(Point) float64) *field {
	g := &field{low, high, n, make([]float64, n*n)}
	for i := range g.values {
		g.values[i] = f(g.place(i%n, i/n))
	}
	return g
}

func (g *field) place(i, k int) Point {
	along := func(low, high float64, i int) float64 { return low + (high-low)*float64(i)/float64(g.n-1) }
	return Point{along(g.low.X, g.high.X, i), along(g.low.Y, g.high.Y, k)}
}

// contour returns the pieces of the line along which the field has a value: one or two in
// every cell that it passes (marching squares).
func (g *field) contour(level float64) [][2]Point {
	var pieces [][2]Point
	for k := range g.n - 1 {
		for i := range g.n - 1 {
			var cuts []Point
			// Neighbours see an edge from the same end, so that their pieces meet exactly.
			for _, edge := range [4][4]int{{i, k, i + 1, k}, {i + 1, k, i + 1, k + 1}, {i, k + 1, i + 1, k + 1}, {i, k, i, k + 1}} {
				a, b := g.values[edge[1]*g.n+edge[0]]-level, g.values[edge[3]*g.n+edge[2]]-level
				if (a > 0) == (b > 0) {
					continue
				}
				from, to, t := g.place(edge[0], edge[1]), g.place(edge[2], edge[3]), a/(a-b)
				cuts = append(cuts, Point{from.X + t*(to.X-from.X), from.Y + t*(to.Y-from.Y)})
			}
			for ; len(cuts) >= 2; cuts = cuts[2:] {
				pieces = append(pieces, [2]Point{cuts[0], cuts[1]})
			}
		}
	}
	return pieces
}

// lines joins pieces that follow each other, so that a drawing of them is short.
func lines(pieces [][2]Point) (joined [][]Point) {
	from := map[Point][]int{} // pieces by their ends
	for i, s := range pieces {
		from[s[0]], from[s[1]] = append(from[s[0]], i), append(from[s[1]], i)
	}
	used := make([]bool, len(pieces))
	// extend goes on from the end of a line.
	extend := func(line []Point) []Point {
		for {
			end := line[len(line)-1]
			next := -1
			for _, i := range from[end] {
				if !used[i] {
					next = i
				}
			}
			if next < 0 {
				return line
			}
			used[next] = true
			if s := pieces[next]; s[0] == end {
				line = append(line, s[1])
			} else {
				line = append(line, s[0])
			}
		}
	}
	for i, s := range pieces {
		if used[i] {
			continue
		}
		used[i] = true
		back := extend([]Point{s[1], s[0]})
		line := make([]Point, 0, len(back))
		for k := len(back) - 1; k >= 0; k-- {
			line = append(line, back[k])
		}
		joined = append(joined, extend(line))
	}
	return joined
}
