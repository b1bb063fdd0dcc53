// Command race writes the records that the lab's race has of the scheme in the address that
// its argument is. Built without SIMD, it computes as a browser without SIMD does.
package main

import (
	"fmt"
	"os"

	"fedtab/lab"
	"fedtab/learn/kernel"
)

func main() {
	m := lab.Find("race").Open(os.Args[1])
	for m.Work() {
	}
	m.Press(lab.SaveRecords)
	fmt.Fprintln(os.Stderr, kernel.Name())
	fmt.Print(m.TakeFile().Text)
}
