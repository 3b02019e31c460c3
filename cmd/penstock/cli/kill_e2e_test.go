//go:build e2e && unix

package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// seedEnv names the variable with the seed of an earlier run: it gives the same
// points and the same times to live.
const seedEnv = "PENSTOCK_KILL_SEED"

// tally counts deaths by what was under way. A death can count twice: a
// transaction is open while the one before is not cleaned up.
type tally struct{ kills, open, inFlight, uncleaned int }

func (t tally) String() string {
	return fmt.Sprintf("%d kills: %d with a transaction open, %d with a commit in flight, %d committed and not cleaned up",
		t.kills, t.open, t.inFlight, t.uncleaned)
}

func (t tally) plus(o tally) tally {
	return tally{t.kills + o.kills, t.open + o.open, t.inFlight + o.inFlight, t.uncleaned + o.uncleaned}
}

// The kinds of moments, as the file of points tells them.
func isOpen(at []byte) bool      { return at[0] == 'o' }
func isInFlight(at []byte) bool  { return at[0] == 'c' }
func isUncleaned(at []byte) bool { return at[1] == 'd' }

// killRun is one pipeline that is killed again and again while producers go on.
type killRun struct {
	*job
	pushing *pipelinetest.Pushing
	chance  *rand.Rand
	where   string // the file of points
	// maxAlive is the longest a process lives before a random kill.
	maxAlive time.Duration
	// Deaths at random moments, at moments that looked like a kind that those had
	// not met, and at named points.
	random, aimed, named tally
}

// crashPoints are the named ones: each is met by one process, the n-th time.
var crashPoints = []engine.Point{engine.Opened, engine.Read, engine.Written, engine.Committing, engine.Committed, engine.Settled}

// TestKilled kills the binary 20 times at random and once at each named point,
// while 300,000 events come, and wants each of them once and in order.
func TestKilled(t *testing.T) {
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			k := newKillRun(t, source)
			k.maxAlive = 1500 * time.Millisecond
			k.run(300_000, 8_000, 20)
		})
	}
}

// TestKilledWhileItSplits: an item is a list of ten events, and each of them arrives once
// and in order; none is a duplicate of itself, though its key is in Redis before it is
// delivered.
func TestKilledWhileItSplits(t *testing.T) {
	t.Parallel()
	k := newKillRun(t, "redis_list")
	k.maxAlive, k.basket = 1500*time.Millisecond, 10
	k.rest = []string{"transforms:", "- split: {field: value}", "- dedupe: {key: value.event_id, redis: {}}"}
	k.run(20_000, 2000, 8)
}

// TestKilledUnderRace is a smaller run of a binary that looks for data races.
func TestKilledUnderRace(t *testing.T) {
	t.Parallel()
	bin, err := buildBinary("penstock-race", "-race")
	must(t, err)
	k := newKillRun(t, "redis_list")
	k.bin = bin
	k.maxAlive = 4 * time.Second
	k.run(15_000, 1_000, 3)
}

func newKillRun(t *testing.T, source string) *killRun {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("%s=%d", seedEnv, seed)
	return &killRun{job: newJob(t, source), chance: rand.New(rand.NewPCG(seed, seed)), where: filepath.Join(t.TempDir(), "points")}
}

// run pushes events and kills, then drains and judges.
func (k *killRun) run(events, rate, random int) {
	k.tb.Helper()
	shop := newShop()
	push, over := k.push(shop, events, rate), make(chan struct{})
	push.Linger, push.Until = over, over // however long the machine takes, there is something to die with
	k.pushing = push.Start(k.tb)
	// Where the process dies: at the named points, and (empty) at random.
	deaths := make([]engine.Point, random, random+len(crashPoints))
	deaths = append(deaths, crashPoints...)
	k.chance.Shuffle(len(deaths), func(i, j int) { deaths[i], deaths[j] = deaths[j], deaths[i] })
	for _, point := range deaths {
		if point == "" {
			k.dieAtRandom()
		} else {
			k.dieAt(point)
		}
	}
	k.aim(isOpen, func(t tally) int { return t.open })
	k.aim(isInFlight, func(t tally) int { return t.inFlight })
	k.aim(isUncleaned, func(t tally) int { return t.uncleaned })
	during := k.pushing.Pushed()
	close(over)
	k.pushing.Wait(k.tb, 2*soon)
	k.env = nil
	k.drain()
	k.tb.Logf("at random, %s\naimed, %s\nat named points, %s\n%d events were pushed meanwhile", k.random, k.aimed, k.named, during)
	if all := k.random.plus(k.aimed); all.open == 0 || all.inFlight == 0 || all.uncleaned == 0 {
		k.tb.Error("a kind of moment was never met: nothing is shown about it")
	}
	k.check(shop)
	k.clean()
}

// launch starts a process that keeps its points.
func (k *killRun) launch(more ...string) *pipelinetest.Command {
	k.tb.Helper()
	must(k.tb, os.WriteFile(k.where, []byte("--"), 0o600))
	// The race detector ends the process, and so the test, at the first race.
	k.env = append([]string{pointsFileEnv + "=" + k.where, "GORACE=halt_on_error=1"}, more...)
	return k.start()
}

// dieAt starts a process that dies at a point.
func (k *killRun) dieAt(point engine.Point) {
	k.tb.Helper()
	nth := 1
	if point != engine.Opened {
		nth += k.chance.IntN(20)
	}
	c := k.launch(fmt.Sprintf("%s=%s:%d", crashAtEnv, point, nth))
	c.Exit(soon)
	if !c.Killed() {
		k.tb.Fatalf("the process did not die at %s, the %d-th time", point, nth)
	}
	k.count(&k.named)
}

// dieAtRandom starts a process and kills it at a random moment.
func (k *killRun) dieAtRandom() {
	k.tb.Helper()
	alive := time.Duration(k.chance.Int64N(int64(k.maxAlive)))
	c := k.launch()
	select {
	case <-time.After(alive):
	case <-c.Done():
	}
	k.kill(c)
	k.count(&k.random)
}

// aim kills processes when the file of points shows a kind of moment, until one
// has died in such a moment: what it dies in counts, not what was aimed at.
func (k *killRun) aim(kind func([]byte) bool, met func(tally) int) {
	k.tb.Helper()
	for try := 0; met(k.random.plus(k.aimed)) == 0 && try < 20; try++ {
		c := k.launch()
		look := time.NewTicker(50 * time.Microsecond)
		limit := time.Now().Add(soon)
		for !kind(k.at()) && c.Running() && time.Now().Before(limit) {
			<-look.C
		}
		look.Stop()
		k.kill(c)
		k.count(&k.aimed)
	}
}

func (k *killRun) kill(c *pipelinetest.Command) {
	k.tb.Helper()
	if !c.Kill() {
		k.tb.Fatal("the process ended by itself")
	}
}

// at reads where the process is.
func (k *killRun) at() []byte {
	k.tb.Helper()
	at, err := os.ReadFile(k.where)
	must(k.tb, err)
	return at
}

// count notes where a process has died.
func (k *killRun) count(t *tally) {
	k.tb.Helper()
	at := k.at()
	t.kills++
	for n, yes := range map[*int]bool{&t.open: isOpen(at), &t.inFlight: isInFlight(at), &t.uncleaned: isUncleaned(at)} {
		if yes {
			*n++
		}
	}
}

// clean wants nothing left in Redis but what should be: an anchor in a stream.
func (k *killRun) clean() {
	k.tb.Helper()
	ctx, client := k.tb.Context(), k.client()
	if k.source == "redis_stream" {
		if n := client.XLen(ctx, k.keys[0]).Val(); n != 1 {
			k.tb.Errorf("the drained stream holds %d entries, want the anchor", n)
		}
	} else if n := client.LLen(ctx, k.keys[0]).Val(); n != 0 {
		k.tb.Errorf("the drained list holds %d items", n)
	}
}

// The variables of points_on.go, which this file is not built with.
const (
	pointsFileEnv = "PENSTOCK_POINTS"
	crashAtEnv    = "PENSTOCK_CRASH_AT"
)
