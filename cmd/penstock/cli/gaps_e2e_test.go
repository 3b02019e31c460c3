//go:build e2e && unix

package cli

import (
	"fmt"
	"testing"

	"github.com/penstock-io/penstock/connectors/local"
)

// delivered gives a job whose first n events are delivered, and its shop.
func delivered(t *testing.T, source string, n int) (*job, *local.Shop) {
	t.Helper()
	j, shop := newJob(t, source), newShop()
	if source == "redis_stream" {
		j.more = []string{"value_field: payload"}
	}
	j.push(shop, n, 0).Do(t)
	j.drain()
	return j, shop
}

// goesOn runs the job with on_gap: continue until it is drained.
func (j *job) goesOn(words ...string) {
	j.tb.Helper()
	j.more = append(j.more, "on_gap: continue")
	c := j.start("--until-drained")
	if code := c.Exit(2 * soon); code != exitDone {
		j.tb.Errorf("with on_gap: continue it ended with code %d", code)
	}
	wantIn(j.tb, c.Log(), words...)
}

func TestListWithoutCompanion(t *testing.T) {
	t.Parallel()
	j, shop := delivered(t, "redis_list", 2_000)
	must(t, j.client().Del(t.Context(), "penstock:{"+j.keys[0]+"}").Err())
	j.push(shop, 1_000, 0).Do(t)
	j.refused(exitFailed, "list "+j.keys[0], "no companion penstock:{"+j.keys[0]+"}", "position 2000", "on_gap: continue")
	j.goesOn("taken as a new one")
	j.check(shop)
}

func TestStreamMadeAgain(t *testing.T) {
	t.Parallel()
	j, shop := delivered(t, "redis_stream", 2_000)
	must(t, j.client().Del(t.Context(), j.keys[0]).Err())
	j.refused(exitFailed, "stream "+j.keys[0], "the stream is gone", "on_gap: continue")
	j.push(shop, 1_000, 0).Do(t)
	// Its ids go on, since they are times; only entries-added tells.
	j.refused(exitFailed, "stream "+j.keys[0], "only 1000 entries were ever added", "2000", "1000 entries", "on_gap: continue")
	j.goesOn("taken as a new one")
	j.check(shop)
}

func TestStreamMadeAgainUnderTheReader(t *testing.T) {
	t.Parallel()
	j, shop := delivered(t, "redis_stream", 2_000)
	client := j.client()
	c := j.start()
	j.push(shop, 1_000, 0).Do(t)
	j.arrived(j.name, 3_000)
	must(t, client.Del(t.Context(), j.keys[0]).Err())
	j.push(shop, 500, 0).Do(t)
	if code := c.Exit(soon); code != exitFailed {
		t.Errorf("ended with code %d", code)
	}
	wantIn(t, c.Log(), "stream "+j.keys[0], "on_gap: continue")
	j.goesOn("taken as a new one")
	report := j.report(shop)
	if report.Lost+report.Disordered+report.Corrupt+report.Foreign > 0 || report.Doubled > 500 {
		t.Errorf("better twice than never: %s", report)
	}
}

// With on_gap: continue, a stream that is made again under the reader is read
// from its start, by the same process.
func TestStreamMadeAgainGoesOn(t *testing.T) {
	t.Parallel()
	j, shop := delivered(t, "redis_stream", 2_000)
	j.more = append(j.more, "on_gap: continue")
	c := j.start()
	j.push(shop, 1_000, 0).Do(t)
	j.arrived(j.name, 3_000)
	client := j.client()
	must(t, client.Del(t.Context(), j.keys[0]).Err())
	// Its ids begin again, far below those that were read.
	for n := range 3 {
		event, _ := shop.Append(nil)
		must(t, client.Do(t.Context(), "XADD", j.keys[0], fmt.Sprintf("%d-1", n+1), "payload", event).Err())
	}
	j.arrived(j.name, 3_003)
	wantIn(t, c.Log(), "taken as a new one")
	stopped(t, c)
	j.check(shop)
	j.push(shop, 100, 0).Do(t)
	j.drain()
	j.check(shop)
}

func TestStreamTrimmedPastTheReader(t *testing.T) {
	t.Parallel()
	j, shop := delivered(t, "redis_stream", 2_000)
	j.push(shop, 1_000, 0).Do(t)
	must(t, j.client().XTrimMaxLen(t.Context(), j.keys[0], 700).Err())
	j.refused(exitFailed, "300 entries of stream "+j.keys[0]+" were removed", "on_gap: continue")
	j.goesOn("removed from the stream before they were read", `"entries":300`)
	report := j.report(shop)
	if report.Lost != 300 || report.Doubled+report.Disordered+report.Corrupt+report.Foreign > 0 {
		t.Errorf("300 are gone: %s", report)
	}
}
