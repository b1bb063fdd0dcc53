package attack_test

import (
	"fmt"

	"fedtab/privacy/attack"
)

// Clipping keeps the direction of an update; the sum of two shows neither.
func ExampleRelease() {
	sum := make([]float32, 2)
	attack.Release{Clip: 1}.Sum(sum, [][]float32{{3, 4}, {-.6, 0}}, nil)
	fmt.Printf("%.1f\n", sum)
	// Output: [0.0 0.8]
}

// Scores of members and of others, and how well they are told apart.
func ExampleROC() {
	r := attack.NewROC([]float64{2, 5, 7, 9}, []float64{1, 3, 4, 6})
	fmt.Printf("AUC %.3f, TPR %.2f without a false alarm, advantage %.2f\n", r.AUC().Value, r.TPR(0).Value, r.Advantage().Value)
	// Output: AUC 0.750, TPR 0.50 without a false alarm, advantage 0.50
}
