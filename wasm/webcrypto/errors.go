package webcrypto

import "errors"

var (
	// ErrInsecure says that the page is not from https or localhost: elsewhere browsers
	// have no WebCrypto.
	ErrInsecure = errors.New("secure aggregation needs a page from https or localhost: elsewhere browsers have no WebCrypto")

	// ErrMissing says what the browser lacks.
	ErrMissing = errors.New("this browser is too old for secure aggregation")
)
