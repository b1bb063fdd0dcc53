// Package attack measures what updates give away of the examples behind them, by attacking
// what a coordinator gets to see. It is for experiments and for the lab; no task runs it.
//
//	release.go     what is seen: an update or a sum, clipped and noised or as it is
//	membership.go  was an example trained with? A threshold on its loss (Yeom et al. 2018), and
//	               likelihood ratios with shadow models (LiRA, Carlini et al. 2022)
//	inversion.go   what does an example look like? Division in the first layer (Phong et al. 2017)
//	roc.go         how well scores tell members from others, with errors
//	bound.go       what differential privacy leaves to any attack
//
// An attack shows what leaks at least: a better one may find more. What no attack can find
// is what package account computes.
package attack
