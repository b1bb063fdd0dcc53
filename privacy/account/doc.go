// Package account says how much a run has told of a participant: it turns what was
// released (noise, sampling rate, steps) into a claim of (epsilon, delta) differential
// privacy, and draws the discrete noise that distributed claims rest on.
//
//	mechanism.go  Mechanism: steps of the Poisson-sampled Gaussian mechanism; Adjacency
//	rdp.go        Rényi differential privacy and its conversion (Mironov et al. 2019)
//	pair.go       the pairs of distributions that an observer tells apart
//	grid.go       their privacy loss on a grid, rounded up and rounded down
//	pld.go        privacy loss distributions: composition by FFT, two bounds
//	gaussian.go   the Gaussian mechanism without sampling, exactly (Balle, Wang 2018)
//	claim.go      Claim: epsilon as a run releases versions
//	tree.go       tree aggregation for DP-FTRL (Kairouz et al. 2021)
//	clipping.go   adaptive clipping's part of the noise (Andrew et al. 2021)
//	discrete.go   accounts of Skellam and of sums of discrete Gaussians
//	source.go     uniform integers from random bytes, without modulo bias
//	sampler.go    exact samplers: discrete Gaussian, Skellam
//	special.go    functions that package math lacks
//
// Noise is a multiple of the sensitivity: a participant's vector has norm at most 1, and
// the sum gets noise of standard deviation Noise in each coordinate. What makes that so
// (clipping, fixed weights, a fixed divisor) is the caller's duty. Every figure is of one
// Adjacency. docs/accounting.md has the formulas, their sources, and what they assume.
//
// Bounds that are called upper are never below the true value, up to the rounding that
// they name; the functions start no goroutine and draw from no random source that is not
// passed in.
package account
