//go:build !e2e && unix

package watermill

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// each runs a test on embedded servers; with the tag e2e, on real ones.
func each(t *testing.T, test func(t *testing.T, p place)) {
	e := pipelinetest.Embedded(t, kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1))
	test(t, place{e.RedisAddr, e.KafkaAddr})
}
