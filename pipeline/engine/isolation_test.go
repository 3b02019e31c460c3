package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// refuses makes the sink refuse records: as Kafka does, all of a transaction for
// the sake of one, of which only the batch is known.
func (r *rig) refuses(poison ...string) {
	r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
		for _, b := range l.held {
			for record := range b.Live {
				if slices.Contains(poison, string(record.Value.Raw())) {
					return false, &pipeline.Refused{Shard: b.Shard, Offset: b.Records[0].Offset, Err: errors.New("bad record")}
				}
			}
		}
		return true, nil
	}
}

func TestRefusedRecordsAreFoundAndAlone(t *testing.T) {
	poison := []string{"a/0", "a/137", "a/138", "a/299", "b/77"}
	for name, policy := range map[string]engine.Policy{"dead_letter": engine.DeadLetter, "drop": engine.Drop} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.OnSinkError = policy
				r.cfg.Batch.Records = 100
				for shard, n := range map[string]int{"a": 300, "b": 100, "c": 40} {
					r.source.fill(shard, n)
					r.source.seal(shard)
				}
				r.refuses(poison...)
				if err := r.run(); err != nil {
					r.Fatal(err)
				}
				var dead []string
				for _, shard := range []string{"a", "b", "c"} {
					want := slices.DeleteFunc(r.source.all(shard), func(v string) bool { return slices.Contains(poison, v) })
					if got := r.sink.got(shard); !slices.Equal(got, want) {
						r.Errorf("shard %s: %s", shard, difference(got, want))
					}
					dead = append(dead, r.sink.dead[shard]...)
				}
				want := []string{"a/0: sink", "a/137: sink", "a/138: sink", "a/299: sink", "b/77: sink"}
				if policy == engine.Drop {
					want = nil
				}
				if !slices.Equal(dead, want) {
					r.Errorf("dead letters %v", dead)
				}
				n := r.reconciles()
				if n.Read != 440 || n.Written != 435 || n.DeadLettered+n.Dropped != 5 {
					r.Errorf("counted %+v", n)
				}
				// Halving takes the logarithm of a batch, a few times a record.
				if r.sink.opens.Load() > 100 {
					r.Errorf("the lane was opened %d times", r.sink.opens.Load())
				}
			})
		})
	}
}

func TestRefusedRecordHalts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.source.fill("a", 100)
		r.refuses("a/57")
		err := r.run()
		if pipeline.ClassOf(err) != pipeline.Permanent || !strings.Contains(err.Error(), "sink refused the record at shard a, position 0-58") {
			r.Error(err)
		}
		if got := r.sink.got("a"); !slices.Equal(got, r.source.all("a")[:57]) {
			r.Errorf("delivered %d records, want the 57 before it", len(got))
		}
	})
}

func TestRefusedDeadLetterHalts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.OnSinkError = engine.DeadLetter
		r.source.fill("a", 100)
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			for _, b := range l.held {
				for _, record := range b.Records {
					if string(record.Original) == "a/57" {
						return false, &pipeline.Refused{Shard: b.Shard, Offset: b.Records[0].Offset, Err: errors.New("bad record")}
					}
				}
			}
			return true, nil
		}
		err := r.run()
		if pipeline.ClassOf(err) != pipeline.Permanent || !strings.Contains(err.Error(), "position 0-58: what on_error makes of the record is refused as well") {
			r.Error(err)
		}
		if r.sink.opens.Load() > 50 {
			r.Errorf("the lane was opened %d times", r.sink.opens.Load())
		}
	})
}

func TestWriteMayRefuseToo(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.OnSinkError = engine.Drop
		r.source.fill("a", 5000)
		r.source.seal("a")
		r.sink.write = func(_ context.Context, b *pipeline.Batch) error {
			for record := range b.Live {
				if string(record.Value.Raw()) == "a/57" {
					return &pipeline.Refused{Shard: b.Shard, Offset: b.Records[0].Offset, Err: errors.New("bad record")}
				}
			}
			return nil
		}
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		if n := r.reconciles(); n.Written != 4999 || n.Dropped != 1 || n.Batches > 600 { // of 10 records, once it is found
			r.Errorf("counted %+v", n)
		}
	})
}

// odd refuses every seventh record.
var odd = apply(func(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		if r.Offset.Minor%7 == 0 {
			r.Fail(fmt.Errorf("%d can be divided by 7", r.Offset.Minor))
		}
	}
	return nil
})

func TestPolicies(t *testing.T) {
	sevens := func(r *pipeline.Record) error {
		if r.Offset.Minor%7 == 0 {
			return errors.New("too large")
		}
		return nil
	}
	for _, test := range []struct {
		name   string
		stages []engine.Stage
		sink   engine.Policy
		check  func(*pipeline.Record) error
		want   string // of the error; else counts and the first dead letter
	}{
		{"a stage drops", []engine.Stage{{Name: "odd", Transform: odd, OnError: engine.Drop}}, engine.Halt, nil, "86/14/0"},
		{"a stage sets aside", []engine.Stage{{Name: "odd", Transform: odd, OnError: engine.DeadLetter}}, engine.Halt, nil, "86/0/14 a/6: odd"},
		{"a stage halts", []engine.Stage{{Name: "odd", Transform: odd}}, engine.Drop, nil, "odd refused the record at shard a, position 0-7: 7 can be divided by 7; mend the record"},
		{"the sink drops", nil, engine.Drop, sevens, "86/14/0"},
		{"the sink sets aside", nil, engine.DeadLetter, sevens, "86/0/14 a/6: sink"},
		{"the sink halts", nil, engine.Halt, sevens, "sink refused the record at shard a, position 0-7: too large; mend the record"},
		{"a stage decides first", []engine.Stage{{Name: "odd", Transform: odd, OnError: engine.Drop}}, engine.Halt, sevens, "86/14/0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Stages, r.cfg.OnSinkError, r.sink.check = test.stages, test.sink, test.check
				r.source.fill("a", 100)
				r.source.seal("a")
				got := ""
				if err := r.run(); err != nil {
					got = err.Error()
					if pipeline.ClassOf(err) != pipeline.Permanent {
						r.Errorf("class %v", pipeline.ClassOf(err))
					}
					if s := r.engine.State(); s.Name != engine.Failed || s.Reason != err.Error() {
						r.Errorf("state %+v", s)
					}
				} else {
					n := r.reconciles()
					got = fmt.Sprintf("%d/%d/%d", n.Written, n.Dropped, n.DeadLettered)
					if len(r.sink.dead["a"]) > 0 {
						got += " " + r.sink.dead["a"][0]
					}
				}
				if !strings.HasPrefix(got, test.want) {
					r.Errorf("got %s", got)
				}
			})
		})
	}
}

func TestHaltDeliversWhatCameBefore(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Stages = []engine.Stage{{Name: "fails", Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			for record := range b.Live {
				if record.Offset.Minor == 75 {
					record.Fail(errors.New("no"))
				}
			}
			return nil
		})}}
		r.source.fill("a", 100)
		if err := r.run(); pipeline.ClassOf(err) != pipeline.Permanent {
			r.Fatal(err)
		}
		if got := r.sink.got("a"); !slices.Equal(got, r.source.all("a")[:70]) || r.source.settled("a") != 70 {
			r.Errorf("delivered %d records, settled %d; want the 7 batches before", len(got), r.source.settled("a"))
		}
	})
}

func TestRecordsThatTheSourceRefuses(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.OnSinkError = engine.DeadLetter
		r.source.push("a", "good", "!bad", "good")
		r.source.seal("a")
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		if got, dead := r.sink.got("a"), r.sink.dead["a"]; !slices.Equal(got, []string{"good", "good"}) || !slices.Equal(dead, []string{"!bad: source"}) {
			r.Errorf("delivered %v, dead %v", got, dead)
		}
	})
}

func TestEveryFateIsCounted(t *testing.T) {
	bubble(t, func(r *rig) {
		fates := []pipeline.Fate{pipeline.Deliver, pipeline.Filtered, pipeline.Duplicate, pipeline.Dropped, pipeline.Failed}
		r.cfg.Stages = []engine.Stage{{Name: "fates", OnError: engine.DeadLetter, Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			for i := range b.Records {
				r := &b.Records[i]
				if r.Fate = fates[r.Offset.Minor%5]; r.Fate == pipeline.Failed {
					r.Failure = &pipeline.Failure{Err: errors.New("no")}
				}
			}
			return nil
		})}}
		r.cfg.At = func(engine.Point) { r.reconciles() }
		r.source.fill("a", 500)
		r.source.seal("a")
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		n := r.reconciles()
		if n.Read != 500 || n.Written != 100 || n.Filtered != 100 || n.Duplicates != 100 || n.Dropped != 100 || n.DeadLettered != 100 {
			r.Errorf("counted %+v", n)
		}
		s := r.engine.Stats().Snapshot()
		var batches, transactions uint64
		for i := range s.BatchRecords.Counts {
			batches += s.BatchRecords.Counts[i]
			transactions += s.TransactionRecords.Counts[i]
		}
		if batches != n.Batches || transactions != n.Transactions || s.BatchRecords.Sum != 500 || s.Shards["a"].Committed != at(500) {
			r.Errorf("histograms %+v, %+v, shard %+v", s.BatchRecords, s.TransactionRecords, s.Shards["a"])
		}
	})
}

func TestTransformThatLosesRecordsHalts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Stages = []engine.Stage{{Name: "loses", OnError: engine.Drop, Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			b.Records = b.Records[:1]
			return nil
		})}}
		r.source.fill("a", 100)
		if err := r.run(); pipeline.ClassOf(err) != pipeline.Permanent || !strings.Contains(err.Error(), "of 10 records the transform left 1") {
			r.Error(err)
		}
		if n := len(r.sink.got("a")); n > 0 {
			r.Errorf("delivered %d records", n)
		}
	})
}
