package account_test

import (
	"crypto/rand"
	"fmt"

	"fedtab/privacy/account"
)

// What 100 rounds tell of a participant, without sampling and with it.
func Example() {
	const delta = 1e-5
	for _, rate := range []float64{1, .1} {
		rounds := account.Mechanism{Noise: 10, Rate: rate, Steps: 100}
		b, err := account.PLDEpsilon([]account.Mechanism{rounds}, account.AddRemove, delta)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("rate %g: epsilon is at most %.4f\n", rate, b.Upper)
	}
	// Output:
	// rate 1: epsilon is at most 4.3772
	// rate 0.1: epsilon is at most 0.3471
}

// A share of noise for a secure sum.
func ExampleDiscreteGaussian() {
	noise, err := account.NewDiscreteGaussian(account.Variance{Num: 25, Den: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	share := make([]int64, 1000)
	if err := noise.Sample(share, account.NewSource(rand.Reader)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(share), "integers")
	// Output: 1000 integers
}
