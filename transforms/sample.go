package transforms

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// SampleSettings are the settings of sample.
type SampleSettings struct {
	Keep float64             `yaml:"keep" required:"true" example:"0.1" doc:"How many of the records go on: a part of 1. The others end here and are counted as filtered."`
	By   pipeline.Expression `yaml:"by" example:"value.user_id" doc:"What decides: all records for which it is the same go on, or none of them. Default: each record for itself."`
}

// Validate finds parts that are none.
func (s SampleSettings) Validate() []pipeline.Problem {
	if s.Keep >= 0 && s.Keep <= 1 {
		return nil
	}
	return []pipeline.Problem{{Field: "keep", What: "is no part of 1", Do: "write a number from 0 to 1, like 0.1 for every tenth record"}}
}

// Sample lets a part of the records pass. Which ones hangs on a hash of what by gives,
// or of where the record comes from: a record that comes again is decided as before.
type Sample struct {
	below uint64 // hashes that pass, of 2^32
	by    *expr.Program
}

// NewSample makes a sample. The error is the first that Validate finds, or of the
// expression.
func NewSample(s SampleSettings) (*Sample, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	sample := &Sample{below: uint64(math.Round(s.Keep * (1 << 32)))}
	if s.By == "" {
		return sample, nil
	}
	var err error
	sample.by, err = expr.Compile(s.By, expr.Anything)
	return sample, err
}

// Apply marks the others as filtered.
func (s *Sample) Apply(_ context.Context, b *pipeline.Batch) error {
	var place []byte
	for r := range b.Live {
		place = binary.BigEndian.AppendUint64(append(place[:0], b.Shard...), r.Offset.Major)
		place = binary.BigEndian.AppendUint64(place, r.Offset.Minor)
		if s.by != nil {
			by, _, err := s.by.Bytes(b, r)
			if err != nil {
				r.Fail(err)
				continue
			}
			place = append(place[:0], by...)
		}
		if xxhash.Sum64(place)>>32 >= s.below {
			r.Fate = pipeline.Filtered
		}
	}
	return nil
}
