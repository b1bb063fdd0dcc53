// Package tasks embeds the task files that ship with fedtab, and sample files for those
// whose participants bring the data. Package coordinator/task reads the tasks, by name;
// each file is named after its task.
package tasks

import "embed"

// Files holds NAME.yaml for every task that ships, samples/NAME/ with the files that a
// participant can try it with, and samples/NAME.csv with all rows of these for
// simulations.
//
//go:embed *.yaml samples
var Files embed.FS
