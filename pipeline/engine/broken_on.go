//go:build broken

package engine

import "os"

var ticketsCount = os.Getenv("PENSTOCK_BROKEN") != "no_ticket"
