// Package link is the channel between an edge and the owner of a run: two nodes of a cluster, of
// which one holds sockets of participants and the other drives the run. See
// docs/adr/0034-cluster.md.
//
// The edge's side is an Edge, a hub.Owner: sessions take seats there as they do in a run of
// their own process. The owner's side is a Host: each seat is a run.Peer there, and the edge a
// run.Edge, which adds contributions to partial sums.
//
// Both speak records over one ordered stream of bytes, which lasts as long as both sides do: a
// stream that breaks ends the link, and with it all seats. Nothing is sent again. The nodes trust
// each other, as processes of one organiser that have the same credentials; participants' bytes
// have been checked by the hub before they become a record.
package link
