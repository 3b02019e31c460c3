//go:build !points

package cli

import "github.com/penstock-io/penstock/pipeline/engine"

// points gives nothing: only the binary that tests kill knows where it is.
func points() func(engine.Point) { return nil }
