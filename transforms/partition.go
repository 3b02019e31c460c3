package transforms

import (
	"context"
	"strconv"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// Partition gives records the partition that an expression makes: the setting
// partition of a sink.
type Partition struct {
	partition *expr.Program
}

// NewPartition makes one. The error is of the expression.
func NewPartition(partition pipeline.Expression) (*Partition, error) {
	program, err := expr.Compile(partition, expr.Anything)
	if err != nil {
		return nil, err
	}
	return &Partition{program}, nil
}

// Apply sets the partitions. What is not a whole number from 0 on is an error of
// the record; whether the topic has such a partition, the sink says.
func (p *Partition) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		text, _, err := p.partition.Bytes(b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		n, err := strconv.ParseInt(string(text), 10, 32)
		if err != nil || n < 0 {
			r.Fail(&pipeline.Error{Class: pipeline.Permanent, What: "the partition is not a whole number from 0 on",
				Do: "let the expression give one, like value.shard % 12"})
			continue
		}
		r.SetPartition(int32(n))
	}
	return nil
}
