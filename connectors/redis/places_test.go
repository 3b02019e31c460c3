//go:build !e2e

package redis

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
)

func places(t *testing.T) []place {
	return []place{{name: "miniredis", addr: miniredis.RunT(t).Addr()}}
}
