// Package predict answers with an exported model: which class a picture or a row of texts
// is of, or which number belongs to a row. coordinator predict and the tab share it.
//
// A [Model] answers one example at a time; [Model.Table] reads a table of any length in
// one pass, and [Writer] writes its predictions as CSV. The package works on bytes and
// readers, and is small enough for the tab to link.
package predict
