package engine_test

import (
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

func TestMovesAllOfAllShardsInOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, shard := range []string{"a", "b", "c"} {
			r.source.fill(shard, 95)
			r.source.seal(shard)
		}
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete("a", "b", "c")
		for _, shard := range []string{"a", "b", "c"} {
			if n := r.source.settled(shard); n != 95 {
				r.Errorf("shard %s: settled %d", shard, n)
			}
		}
		if n := r.reconciles(); n.Read != 3*95 || n.Written != 3*95 {
			r.Errorf("counted %+v", n)
		}
	})
}

var _ = time.Second
var _ pipeline.Class
