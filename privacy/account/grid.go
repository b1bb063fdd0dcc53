package account

import (
	"math"
	"slices"
)

// atoms is a privacy loss distribution on the grid of multiples of a step: mass[i] is P's
// mass at the loss (first+i)*step, infinite that at an infinite loss.
type atoms struct {
	first    int
	mass     []float64
	infinite float64
}

// cell is what a pair puts between two neighbouring points of the grid. s is the loss above
// the lower point, h the step; the share of an output that goes down to the lower point is
// 1 - s/h unless it is changed.
type cell struct {
	mass, down      float64 // all, and what goes down
	above, aboveLow float64 // integrals of P - exp(lower)*Q, over all and over what goes down
	below, belowLow float64 // integrals of exp(upper)*Q - P, likewise
}

// A rule is a Gauss-Legendre quadrature on [-1, 1].
type rule struct{ nodes, weights []float64 }

var (
	threePoints = rule{
		[]float64{-.7745966692414834, 0, .7745966692414834},
		[]float64{.5555555555555556, .8888888888888888, .5555555555555556},
	}
	eightPoints = rule{
		[]float64{-.9602898564975362, -.7966664774136267, -.5255324099163290, -.1834346424956498, .1834346424956498, .5255324099163290, .7966664774136267, .9602898564975362},
		[]float64{.1012285362903763, .2223810344533745, .3137066458778873, .3626837833783620, .3626837833783620, .3137066458778873, .2223810344533745, .1012285362903763},
	}
)

// losses returns how far the losses of a pair lie apart.
func (p pair) losses() float64 {
	_, lowest := p.at(p.low)
	_, highest := p.at(p.high)
	return highest - lowest
}

// cells integrates a pair over the grid: the cell i lies above the point first+i. Outputs
// that the pair does not look at are not in them.
func (p pair) cells(step float64) (first int, cells []cell) {
	low, high := p.low, p.high
	_, lowest := p.at(low)
	_, highest := p.at(high)
	first = int(math.Floor(lowest / step))
	cells = make([]cell, int(math.Floor(highest/step))-first+1)
	// Of pieces as short as these the rules integrate density and loss to the last bit.
	longest, short := min(.25, .5/p.shift), min(.005, .01/p.shift)
	from := low
	for i := range cells {
		to := high
		if i < len(cells)-1 {
			to = min(max(p.where(float64(first+i+1)*step), from), high)
		}
		if to-from < short {
			cells[i].integrate(p, threePoints, from, to, float64(first+i)*step, step)
			from = to
			continue
		}
		pieces := math.Ceil((to - from) / longest)
		for k := range int(pieces) {
			a, b := from+(to-from)*float64(k)/pieces, from+(to-from)*float64(k+1)/pieces
			cells[i].integrate(p, eightPoints, a, b, float64(first+i)*step, step)
		}
		from = to
	}
	return first, cells
}

// integrate adds the outputs from a to b.
func (c *cell) integrate(p pair, r rule, a, b, lower, step float64) {
	if a == b {
		return
	}
	for k, x := range r.nodes {
		density, loss := p.at(a + (b-a)/2*(1+x))
		w := r.weights[k] * (b - a) / 2 * density
		s := min(max(loss-lower, 0), step)
		down := 1 - s/step
		above, below := -math.Expm1(-s), math.Expm1(step-s)
		c.mass += w
		c.down += w * down
		c.above += w * above
		c.aboveLow += w * above * down
		c.below += w * below
		c.belowLow += w * below * down
	}
}

// upper rounds up: each output is split between the two points about it, so that P's and
// Q's masses stay. The result is easier to tell apart, as merging the points again gives
// the pair ("connect the dots", Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022). Outputs
// that are not looked at go to the point above the lowest loss, or have an infinite loss.
func upper(p pair, first int, cells []cell, step float64) atoms {
	a := atoms{first: first, mass: make([]float64, len(cells)+1), infinite: p.above}
	scale := -math.Expm1(-step)
	for i, c := range cells {
		up := min(c.above/scale, c.mass)
		a.mass[i] += c.mass - up
		a.mass[i+1] += up
	}
	a.mass[1] += p.below
	return a
}

// lower rounds down: outputs are merged about each point of the grid, in shares that make
// the merged loss the point's own. Observers who forget which of the merged outputs they saw
// tell less. Where no shares do, the point's mass goes to the next point below, and outputs
// that are not looked at are dropped: both lower every delta.
func lower(first int, cells []cell) atoms {
	// Any start gives a bound. The best loses the least of the mean loss.
	var best merging
	top := math.Inf(-1)
	for _, start := range starts(cells) {
		for _, share := range []float64{0, -1, -.5, .5, 1} {
			m := merge(cells, start, max(share, 0), max(-share, 0))
			if mean := m.mean(cells); mean > top {
				best, top = m, mean
			}
		}
	}
	a := atoms{first: first - 1, mass: make([]float64, len(cells)+2)}
	best.points(cells, func(i int, mass float64, lost bool) {
		if lost {
			i--
		}
		a.mass[i+1] += mass
	})
	return a
}

// starts are cells to start merging at: the one of the most mass, and those at which either
// end has some, as losses may lie close together at an end that they cannot pass.
func starts(cells []cell) []int {
	mode, total := 0, 0.0
	for i, c := range cells {
		total += c.mass
		if c.mass > cells[mode].mass {
			mode = i
		}
	}
	list := []int{mode}
	for _, some := range []float64{1e-3, 1e-8} {
		from, to := 0, len(cells)-1
		for below := cells[from].mass; below < some*total && from < mode; below += cells[from].mass {
			from++
		}
		for above := cells[to].mass; above < some*total && to > mode; above += cells[to].mass {
			to--
		}
		list = append(list, from, to)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// merging says for each cell how much goes down to its lower point, and the integrals of
// what the lower point gains and the upper point loses by it (see cell).
type merging struct{ down, gain, loss []float64 }

// merge starts at a cell with the share that is given, and finds all others so that each
// point gains what it loses. Where the density falls, a share that is off corrects the next.
func merge(cells []cell, start int, more, less float64) merging {
	m := merging{make([]float64, len(cells)), make([]float64, len(cells)), make([]float64, len(cells))}
	set := func(i int, more, less float64) {
		c := cells[i]
		m.down[i] = min(c.down+more*(c.mass-c.down), c.mass) * (1 - less)
		m.gain[i] = (c.aboveLow + more*(c.above-c.aboveLow)) * (1 - less)
		m.loss[i] = (c.below-c.belowLow)*(1-more) + less*c.belowLow
	}
	set(start, more, less)
	for i := start + 1; i < len(cells); i++ {
		c := cells[i]
		if want := m.loss[i-1]; want > c.aboveLow {
			set(i, share(want-c.aboveLow, c.above-c.aboveLow), 0)
		} else {
			set(i, 0, share(c.aboveLow-want, c.aboveLow))
		}
	}
	for i := start - 1; i >= 0; i-- {
		c := cells[i]
		high := c.below - c.belowLow
		if want := m.gain[i+1]; want < high {
			set(i, share(high-want, high), 0)
		} else {
			set(i, 0, share(want-high, c.belowLow))
		}
	}
	return m
}

// points visits the points of the grid from that below the first cell: their mass, and
// whether they lost more than they gained.
func (m merging) points(cells []cell, visit func(i int, mass float64, lost bool)) {
	for i := 0; i <= len(cells); i++ {
		var mass, gain, loss float64
		if i < len(cells) {
			mass, gain = m.down[i], m.gain[i]
		}
		if i > 0 {
			mass, loss = mass+cells[i-1].mass-m.down[i-1], m.loss[i-1]
		}
		visit(i, mass, gain < loss*(1-1e-12))
	}
}

// mean returns the mean loss in steps above the first point.
func (m merging) mean(cells []cell) float64 {
	var total sum
	m.points(cells, func(i int, mass float64, lost bool) {
		if lost {
			i--
		}
		total.add(mass * float64(i))
	})
	return total.value()
}

// share returns part / whole within [0, 1], 0 for 0 / 0.
func share(part, whole float64) float64 {
	if part <= 0 {
		return 0
	}
	if part >= whole {
		return 1
	}
	return part / whole
}
