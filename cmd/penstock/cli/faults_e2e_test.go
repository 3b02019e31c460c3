//go:build e2e && unix

package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// nobody is an address where nobody listens.
const nobody = "127.0.0.1:1"

// A run that is to drain does not wait for a server for ever.
func TestServerMissingWhenDraining(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*job){
		"redis": func(j *job) { j.redis = nobody },
		"kafka": func(j *job) { j.kafka = nobody },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "redis_list")
			away(j)
			started := time.Now()
			c := j.start("--until-drained", "--patience", "2s")
			if code := c.Exit(soon); code != exitUnreachable {
				t.Errorf("ended with code %d, want %d", code, exitUnreachable)
			}
			if took := time.Since(started); took < 2*time.Second || took > 20*time.Second {
				t.Errorf("waited %v with --patience 2s", took)
			}
			wantIn(t, c.Log(), "degraded", "2s (--patience)", nobody)
			wantJSONLines(t, c.Log())
		})
	}
}

// wantJSONLines holds that programs can read the log: no library writes there
// beside the logger.
func wantJSONLines(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log holds a line that is not JSON: %s", line)
		}
	}
}

// Without --until-drained it waits, says so, and goes on when the server comes.
func TestRedisComesLaterAndIsKilled(t *testing.T) {
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			r := redisOf(t, pipelinetest.RedisOptions{Durable: true})
			j := newJob(t, source)
			j.redis = r.Addr()
			must(t, r.Kill())
			c := j.start()
			c.Await(soon, "degraded")
			must(t, r.Restart(t.Context()))
			shop := newShop()
			pushing := j.push(shop, 60_000, 15_000).Start(t)
			for _, at := range []int{5_000, 20_000, 40_000} {
				pipelinetest.Eventually(t, soon, "events are pushed", func() bool { return pushing.Pushed() >= at })
				must(t, r.Kill())
				must(t, r.Restart(t.Context()))
			}
			pushing.Wait(t, soon)
			j.emptied(soon)
			wantIn(t, c.Log(), r.Addr(), "going on")
			stopped(t, c)
			wantJSONLines(t, c.Log())
			j.check(shop)
		})
	}
}

// Everything that can happen to Kafka, on one broker, one after the other.
func TestKafkaFaults(t *testing.T) {
	t.Parallel()
	k := kafkaOf(t)
	onKafka := func(t *testing.T, source string) *job {
		j := newJob(t, source)
		j.kafka = k.Addr()
		return j
	}
	t.Run("comes later", func(t *testing.T) { kafkaComesLater(t, onKafka(t, "redis_list"), k) })
	t.Run("killed, list", func(t *testing.T) { kafkaKilled(t, onKafka(t, "redis_list"), k) })
	t.Run("killed, stream", func(t *testing.T) { kafkaKilled(t, onKafka(t, "redis_stream"), k) })
	t.Run("paused, list", func(t *testing.T) { kafkaPaused(t, onKafka(t, "redis_list"), k) })
	t.Run("paused, stream", func(t *testing.T) { kafkaPaused(t, onKafka(t, "redis_stream"), k) })
	t.Run("second SIGTERM", func(t *testing.T) { secondSignal(t, onKafka(t, "redis_list"), k) })
	t.Run("stop in time", func(t *testing.T) { stopInTime(t, onKafka(t, "redis_list"), k) })
	t.Run("positions deleted", func(t *testing.T) { positionsDeleted(t, onKafka(t, "redis_stream")) })
}

func kafkaComesLater(t *testing.T, j *job, k *pipelinetest.Kafka) {
	must(t, k.Kill())
	shop := newShop()
	j.push(shop, 5_000, 0).Do(t)
	c := j.start()
	c.Await(soon, "degraded")
	wantIn(t, c.Log(), k.Addr())
	must(t, k.Restart(t.Context()))
	j.emptied(soon)
	wantIn(t, c.Log(), "going on")
	stopped(t, c)
	j.check(shop)
}

func kafkaKilled(t *testing.T, j *job, k *pipelinetest.Kafka) {
	shop := newShop()
	pushing := j.push(shop, 60_000, 10_000).Start(t)
	c := j.start()
	pipelinetest.Eventually(t, soon, "events are pushed", func() bool { return pushing.Pushed() >= 20_000 })
	must(t, k.Kill())
	c.Await(soon, "degraded")
	must(t, k.Restart(t.Context()))
	pushing.Wait(t, soon)
	j.emptied(soon)
	stopped(t, c)
	j.check(shop)
}

// A broker that stands still for longer than the transaction time-out aborts the
// transaction when it goes on: the producer is fenced, by nobody.
func kafkaPaused(t *testing.T, j *job, k *pipelinetest.Kafka) {
	const timeout = time.Second
	j.sink = append(j.sink, "transaction_timeout: "+timeout.String())
	shop := newShop()
	pushing := j.push(shop, 60_000, 10_000).Start(t)
	c := j.start()
	pipelinetest.Eventually(t, soon, "events are pushed", func() bool { return pushing.Pushed() >= 20_000 })
	must(t, k.Pause())
	paused := time.Now()
	c.Await(soon, "degraded")
	<-time.After(time.Until(paused.Add(3 * timeout)))
	must(t, k.Resume())
	pushing.Wait(t, soon)
	j.emptied(soon)
	stopped(t, c)
	j.check(shop)
}

// Somebody deletes Penstock's memory under it: it ends, and delivers nothing twice.
func positionsDeleted(t *testing.T, j *job) {
	j.more = []string{"value_field: payload"}
	j.sink = append(j.sink, "transaction_timeout: 2s")
	shop := newShop()
	j.push(shop, 5_000, 0).Do(t)
	c := j.start()
	j.arrived(j.name, 5_000)
	wantIn(t, c.Log(), "no position of it was committed", `"shard":"`+j.keys[0])
	client, err := kgo.NewClient(kgo.SeedBrokers(j.kafka))
	must(t, err)
	defer client.Close()
	deleted, err := kadm.NewClient(client).DeleteTopics(t.Context(), "_penstock_positions")
	must(t, err)
	must(t, deleted.Error())
	j.push(shop, 1_000, 0).Do(t)
	if code := c.Exit(soon); code != exitFailed {
		t.Errorf("ended with code %d", code)
	}
	wantIn(t, c.Log(), "the sink no longer holds position", "of shard "+j.keys[0], "it gives none")
	if report := j.report(shop); report.Doubled+report.Disordered+report.Corrupt+report.Foreign > 0 || report.Lost > 1_000 {
		t.Errorf("%s", report)
	}
}

// hanging gives a process that waits for a Kafka that stands still, in a commit or
// for the end of the last one, and who pushes to it.
func (j *job) hanging(k *pipelinetest.Kafka, shop *local.Shop, flags ...string) (*pipelinetest.Command, *pipelinetest.Pushing) {
	j.tb.Helper()
	where := filepath.Join(j.tb.TempDir(), "points")
	j.env = []string{pointsFileEnv + "=" + where}
	pushing := j.push(shop, 20_000, 10_000).Start(j.tb)
	c := j.start(flags...)
	pipelinetest.Eventually(j.tb, soon, "events are pushed", func() bool { return pushing.Pushed() >= 10_000 })
	must(j.tb, k.Pause())
	pipelinetest.Eventually(j.tb, soon, "a commit is under way", func() bool {
		at, err := os.ReadFile(where)
		inFlight := err == nil && len(at) > 0 && isInFlight(at) || strings.Contains(c.Log(), "the sink has not answered")
		return inFlight && pushing.Pushed() >= 15_000
	})
	j.env = nil
	return c, pushing
}

// A second SIGTERM ends a stop that cannot settle, at once, with nothing lost.
func secondSignal(t *testing.T, j *job, k *pipelinetest.Kafka) {
	shop := newShop()
	c, pushing := j.hanging(k, shop, "--shutdown", soon.String())
	signalled := time.Now()
	// Signals that come together are one: they are sent until it ends.
	pipelinetest.Eventually(t, soon, "the process ends", func() bool {
		if c.Running() {
			c.Signal(syscall.SIGTERM)
			return false
		}
		return true
	})
	if code, took := c.Exit(soon), time.Since(signalled); code != exitFailed || took > soon/4 {
		t.Errorf("ended with code %d after %v", code, took)
	}
	must(t, k.Resume())
	pushing.Wait(t, soon)
	j.drain()
	j.check(shop)
}

// A stop that cannot settle ends at its deadline, and says that nothing is lost.
func stopInTime(t *testing.T, j *job, k *pipelinetest.Kafka) {
	shop := newShop()
	c, pushing := j.hanging(k, shop, "--shutdown", "2s")
	signalled := time.Now()
	c.Signal(syscall.SIGTERM)
	if code, took := c.Exit(soon), time.Since(signalled); code != exitUnreachable || took < 2*time.Second || took > 15*time.Second {
		t.Errorf("ended with code %d after %v", code, took)
	}
	wantIn(t, c.Log(), "could not settle", "comes again")
	must(t, k.Resume())
	pushing.Wait(t, soon)
	j.drain()
	j.check(shop)
}
