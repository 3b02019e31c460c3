//go:build e2e && unix

package watermill

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// each runs a test on real servers; without the tag e2e, on embedded ones.
func each(t *testing.T, test func(t *testing.T, p place)) {
	test(t, place{pipelinetest.SharedRedis(t).Addr(), pipelinetest.SharedKafka(t).Addr()})
}
