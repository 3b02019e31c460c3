package main

import (
	"os"
	"runtime/debug"
)

// limitMemory makes the collector work a little more, so that the process stays
// small at full speed. What the user says in GOGC and GOMEMLIMIT counts.
func limitMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(50)
	}
}
