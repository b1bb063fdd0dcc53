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
// line; lines that begin with # are comments. Every file has the same keys with the same arguments; the tests
// compare them, and the keys with those that the sources use.
//
// To add a language: add its file, a line in [Languages], and its names in the tests.
package words
