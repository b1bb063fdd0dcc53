// Package compare runs experiments: simulations of one task in several variants, over a grid
// of settings and several seeds, whose results become tables, figures and statements that
// hold or do not.
//
// A file has parts (Part), and a part has cells (Cell): one simulation each. Cells run side by
// side, one on each core. The result of a cell is kept under a hash of all that it follows
// from (Cache), so that none is computed twice. A page, tables and figures are made of the
// results (Report); they do not depend on the wall clock.
package compare
