//go:build unix

package host

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// FuzzAnswers: whatever a plugin answers, it is an error, or each record meets something.
func FuzzAnswers(f *testing.F) {
	f.Add(wire.AppendRun(wire.AppendRefusal(wire.AppendRun(nil, wire.Keep, 1), "no", true), wire.Drop, 1))
	f.Add(wire.AppendRecord(wire.AppendBecome(wire.AppendRun(nil, wire.Keep, 2), 1), &wire.Record{Parts: wire.NewValue | wire.NewKey | wire.NewTopic | wire.NewTime | wire.NewHeaders, Value: []byte(`{"a":1}`), Headers: []wire.Header{{Name: []byte("n")}}}))
	f.Add(wire.AppendRun(nil, wire.Keep, 4))
	f.Fuzz(func(t *testing.T, block []byte) {
		outcomes, err := read(block, 3)
		if err != nil {
			return
		}
		b := batch(t, `{"n":1}`, `[2]`, `"three"`)
		apply(b, outcomes, true)
		offsets := map[uint64]bool{}
		for i := range b.Records {
			r := &b.Records[i]
			offsets[r.Offset.Minor] = true
			if r.Fate != pipeline.Deliver {
				continue
			}
			if _, err := new(pipeline.Batch).Document(r.Value.Raw()); err != nil {
				t.Errorf("record %d goes on with %q, which is no JSON", r.Offset.Minor, r.Value.Raw())
			}
		}
		if len(offsets) != 3 {
			t.Errorf("of three records, %v are left", offsets)
		}
	})
}
