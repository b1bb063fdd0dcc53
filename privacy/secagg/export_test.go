package secagg

// Names of messages for tests outside of the package.
const (
	KindKeys      = byte(kindKeys)
	KindRoster    = byte(kindRoster)
	KindShares    = byte(kindShares)
	KindInbox     = byte(kindInbox)
	KindMasked    = byte(kindMasked)
	KindSurvivors = byte(kindSurvivors)
	KindConsent   = byte(kindConsent)
	KindConsents  = byte(kindConsents)
	KindReveal    = byte(kindReveal)
	HeaderSize    = headerSize
)
