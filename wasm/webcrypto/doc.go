// Package webcrypto is the cryptography of secure aggregation in a tab, from the browser's
// WebCrypto. Elsewhere it is package native's. A batch is one call into JavaScript, to static/crypto.js,
// which a page or worker loads before it starts the program.
//
// Calls wait for the browser. A callback of JavaScript must not make them: the browser's answer
// would never come. A worker's loop starts a goroutine for each request, and goes on.
//
// docs/privacy.md has what it costs.
package webcrypto
