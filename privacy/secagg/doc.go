// Package secagg is secure aggregation: a server learns the sum of the vectors of its clients,
// and no vector. It follows SecAgg+ of Bell, Bonawitz, Gascon, Lepoint and Raykova (CCS 2020),
// whose graph has few neighbours for each client, and Bonawitz et al. (CCS 2017), whose
// masks and phases it has.
//
//	terms.go       what a client knows of a run beforehand
//	parameters.go  neighbours and threshold that withstand drop-outs and collusion
//	graph.go       who is whose neighbour
//	shamir.go      sharing of secrets
//	mask.go        packed integers, sums, masks
//	primitives.go  the cryptography that a platform has
//	requests.go    what the machines ask of it
//	messages.go    what travels, as bytes
//	machine.go     events and effects
//	client.go      a client: a state machine
//	server.go      the server: a state machine
//	history.go     what a client writes down
//
// An attempt:
//
//	client                                   server
//	  keys: two public keys ------------------>
//	  <------------------ roster: those of all, k and t; the graph follows
//	  shares: of its seed and its mask key, sealed for its neighbours -->
//	  <------------------ inbox: those of its neighbours, and who shares
//	  masked vector -------------------------->   as soon as there is one
//	  <------------------ survivors: whose vectors have come
//	  consent: its signature of them --------->   with members only
//	  <------------------ consents: those of a quorum
//	  reveal: for each neighbour one share --->   the masks of the sum
//
// A client i adds to its vector, modulo 2^b, a mask of its own, expanded from a secret seed, and
// for each neighbour j a mask that both derive from their keys, with the sign + if i < j and - if
// i > j. In the sum over all clients the latter cancel. Neighbours hold Shamir shares
// of the seed and of the key: for a client whose vector has come they reveal shares of the seed,
// for one that has dropped out those of the key, never both. t shares of k
// reconstruct, and the server takes the masks that are left from the sum.
//
// The machines do no input, output or cryptography: Step takes an event and returns effects, in
// order. What they need computed is a [Request], which the caller executes with the
// [Primitives] of its platform, where it likes, and answers with [Computed]. Nothing secret leaves
// a [Client] but by messages. Everything that is derived, sealed, committed to or signed is bound
// to the run, round, attempt and terms, and after the roster to the public keys of all.
//
// docs/privacy.md says what this proves and what it does not.
package secagg
