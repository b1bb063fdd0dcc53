// Package study has the computations behind the article's two figures, for coordinator
// compare, which tabulates them over seeds, and for the lab, which lets people change them.
//
//	curve.go    Figure 1: a regression with more and with less penalty
//	surface.go  Figure 2: walkers on a surface with four minima, and their mean
//	mixing.go   Figure 2 with networks: two of them, and what lies between
package study
