//go:build broken

package kafka

import "os"

var fences = os.Getenv("PENSTOCK_BROKEN") != "no_fence"
