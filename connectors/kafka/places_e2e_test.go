//go:build e2e && unix

package kafka

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// anyKafka gives a pipeline on the Kafka that tests run on: a real one here,
// kfake without the tag e2e.
func anyKafka(t *testing.T) *kafkaTest { return on(t, pipelinetest.SharedKafka(t).Addr()) }
