package figure_test

import (
	"bytes"
	"fmt"
	"strings"

	"fedtab/coordinator/compare/figure"
)

// A curve with a confidence band, beside the figure of a paper.
func Example() {
	f := figure.Figure{
		Kind:  figure.Line,
		Title: "Federated averaging on MNIST",
		X:     "Round",
		Y:     "Test accuracy",
		Series: []figure.Series{{
			Name: "FedAvg, 5 seeds",
			Points: []figure.Point{
				{X: 1, Y: 0.82, Low: 0.78, High: 0.86},
				{X: 10, Y: 0.93, Low: 0.92, High: 0.94},
				{X: 20, Y: 0.96, Low: 0.955, High: 0.965},
			},
		}},
		References: []figure.Reference{{Name: "McMahan et al. (2017)", Y: 0.97}},
	}
	var svg bytes.Buffer
	if err := f.SVG(&svg); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Contains(svg.String(), "<title>Federated averaging on MNIST</title>"))

	f.Series = nil
	fmt.Println(f.SVG(&svg))
	// Output:
	// true
	// figure "Federated averaging on MNIST": no data: no series
}
