// Package digest computes SHA-256 (FIPS 180-4). Natively it is crypto/sha256. In a tab it is
// the plain loop of this package: crypto/sha256 links all of Go's FIPS module with it,
// ciphers and self-tests: 37 kB of every first load.
package digest

// Size is the length of a digest in bytes.
const Size = 32
