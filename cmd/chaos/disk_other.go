//go:build !linux

package main

import (
	"context"
	"errors"
)

// fullDisks need Linux, which lets a running process be limited from outside.
func fullDisks(sizes) []fault {
	return []fault{{"full disks", func(context.Context, *run) error { return errors.New("this needs Linux (prlimit)") }}}
}
