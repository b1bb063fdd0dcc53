package learn

// Made in Python, see TestVersion0KnownValues and TestHashOfLongVectors.
var version0Want = []uint32{
	0x3f58f862, 0x3ee5b265, 0xbf29bd96, 0xbf6621b2, 0xbf84c282, 0xbee6405a,
	0xbf8fc7f6, 0x3ebbd498, 0x3f40aa29, 0x3f859fcc, 0x3dd06632, 0x3f70aabc,
	0x00000000, 0x00000000, 0x00000000, 0xbf6c16f2, 0xbf6cfa31, 0x3f3720ce,
	0x3f8e595b, 0x3f23713e, 0xbf897ca0, 0x00000000, 0x00000000,
}

const (
	version0Hash = "8f0308a4d5e73eee527194bdfae26622e07ab09db615529fec1a129feb4a68e2"
	zeros1025    = "1bf9e588060a73e6748479719beb68975d292ff1a0a358e9ac848b0d846e8ed8"
)
