// Package words holds what people read on fedtab's page: a file for each language
// (en.txt, de.txt), and how each writes numbers, sizes and times. The page and the
// coordinator, which renders the first view, take every word from here.
//
// A file has one text a line, under a key:
//
//	# The state of this tab
//	state.sending = Sending what was learned in round {0}
//	state.missing = Waiting for {0:one more participant|# more participants}
//
// {0} is the first argument of [Language.Say]; numbers are written as the language
// writes them. {0:one|other} picks by a number, which # stands for. \n is a new
// line; lines that begin with # are comments. Every file has the same keys with the
// same arguments; the tests compare them, and the keys with those that the sources use.
//
// Sentences that are made elsewhere, in English (by the coordinator, for instance), are
// translated by the other files' phrases, of which the most literal one that fits counts:
//
//	phrase line {0#}: {1} is {2}, want {3?} = Zeile {0}: {1} ist {2}, erwartet: {3}
//
// In the English sentence {0} stands for any text, {0#} for a number, {0!} for a text
// that is a phrase itself, {0?} for one that may be, and {0,} for a list of such, with
// commas between them.
//
// To add a language: add its file, a line in [Languages], and its names in the tests.
package words
