// Package protocol is what travels between a fedtab coordinator and its
// participants: the messages, their bytes, their limits and the close codes.
// docs/protocol.md specifies the same for writers of clients in other
// languages, and fedtab.proto gives the schema.
//
// Each binary WebSocket message is one frame, which holds one [Message].
// [Append] encodes it and [Decode] decodes it. A session:
//
//	client                               coordinator
//	  Hello (protocol, task, token) ------->
//	  <------- Welcome (run, model, seed, hash of version 0)
//	  <------- Shards (public data only)    client: GET each shard by HTTP
//	  <------- Status (state of the run)
//	  <------- Model (unless version 0, or held), Chunk...
//	  <------- Order (kind, base, hyper-parameters, seed, deadline)
//	  Progress ---------------------------->    training has begun
//	  Contribution, Chunk... -------------->
//	  <------- Ack (reason)                 received and valid, or why not
//	  <------- Status                       committed: drop the contribution
//	           ... Model, Order, and so on, round after round ...
//	  Tab (hidden, frozen, paused) -------->    any time
//	  Bye --------------------------------->    or from the coordinator
//
// A client makes version 0 from the seed in the Welcome. If its hash, or that
// of any later version, is wrong, it sends Want and gets the full model. It
// refuses an Order with Decline. A Fetch asks it for its present local model;
// a Contribution or a Decline answers.
//
// Parameters travel as vectors: a [Model] and a [Contribution] each have a
// list of them, packed by package compress into blocks. The blocks of one
// message are its body. A body of at most [InlineBody] bytes lies within the
// message; a larger one follows in messages of type [Chunk], so that pings and
// small messages can interleave. [Frames] and [AppendFrames] cut a body into
// chunks, [Assembler] reassembles it, and [WireSize] returns the bytes on the
// wire without encoding.
//
// Input is not trusted: Decode is strict, bounded by the constants of limits.go
// and fuzzed. It checks form alone. The coordinator checks whether a
// contribution was ordered, has the right shape and is finite, and answers with
// a [Reason].
//
// The package is pure: no network, no clock, no reflection. It is small because
// it is part of the worker of every tab.
//
// # Compatibility
//
// The field numbers and the test vectors in testdata are frozen with
// fedtab.v1: later versions add fields, which old peers skip,
// and kinds, which old peers answer with ReasonUnsupported.
package protocol
