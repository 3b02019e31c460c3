package cli

import (
	"os"
	"runtime/debug"
)

// collectAt is how much, in percent, the heap may grow over what is in use before
// it is collected. Most of what a busy pipeline has in use is its window, which is
// used again and again; so collecting early costs little. A fixed limit would
// cost a lot where a pipeline needs more: a larger window, a million keys.
const collectAt = 35

// limitMemory keeps the process small at full speed. What the user says in GOGC
// and GOMEMLIMIT counts.
func limitMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(collectAt)
	}
}
