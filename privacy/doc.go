// Package privacy holds no code: its folders keep what a model tells of its participants
// within bounds.
//
//	account/  accountants of differential privacy, and discrete noise
package privacy
