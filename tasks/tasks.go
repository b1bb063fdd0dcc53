// Package tasks embeds the task files that ship with fedtab. Package
// coordinator/task reads them, by name; each file is named after its task.
package tasks

import "embed"

// Files holds NAME.yaml for every task that ships.
//
//go:embed *.yaml
var Files embed.FS
