package study

// Himmelblau is a function of two variables with four minima of 0 (Himmelblau, Applied
// nonlinear programming, 1972), and its derivatives.
func Himmelblau(x, y float64) (f, dx, dy float64) {
	a, b := x*x+y-11, x+y*y-7
	return a*a + b*b, 4*x*a + 2*b, 2*a + 4*y*b
}

// Figure 2's walkers, each of which comes to another minimum.
const (
	WalkRate  = .005
	WalkSteps = 200
)

// Walkers returns where Figure 2's walkers begin.
func Walkers() [4][2]float64 { return [4][2]float64{{4, 1}, {-4, 1}, {-4, -1}, {4, -1}} }

// Descend takes a step of gradient descent on Himmelblau's surface.
func Descend(at [2]float64, rate float64) [2]float64 {
	_, dx, dy := Himmelblau(at[0], at[1])
	return [2]float64{at[0] - rate*dx, at[1] - rate*dy}
}
