package main

import (
	"context"
	"io"
)

func serveCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error { return nil }
