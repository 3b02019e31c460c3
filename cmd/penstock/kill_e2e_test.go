//go:build e2e && unix

package main

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

// kills counts deaths by what was under way.
type kills struct {
	random, named             int
	open, inFlight, uncleaned int
}

func (k kills) String() string {
	return fmt.Sprintf("%d kills at random and %d at named points: %d with a transaction open, %d with a commit in flight, %d committed and not cleaned up",
		k.random, k.named, k.open, k.inFlight, k.uncleaned)
}

// everyClass tells whether kills have met each of the three.
func (k kills) everyClass() bool { return k.open > 0 && k.inFlight > 0 && k.uncleaned > 0 }

// killRun is one pipeline that is killed again and again while producers go on.
type killRun struct {
	*job
	pushing *pipelinetest.Pushing
	chance  *rand.Rand
	where   string // the file of points
	// maxAlive is the longest a process lives before a random kill.
	maxAlive time.Duration
	kills    kills
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

// TestKilledUnderRace is a smaller run of a binary that looks for data races.
func TestKilledUnderRace(t *testing.T) {
	t.Parallel()
	bin, err := buildBinary("penstock-race", "-race")
	must(t, err)
	k := newKillRun(t, "redis_list")
	k.bin = bin
	k.maxAlive = 4 * time.Second
	k.run(20_000, 1_000, 3)
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
	k.pushing = k.push(shop, events, rate).Start(k.tb)
	// Where the process dies: at the named points, and (empty) at random.
	deaths := make([]engine.Point, random, random+len(crashPoints))
	deaths = append(deaths, crashPoints...)
	k.chance.Shuffle(len(deaths), func(i, j int) { deaths[i], deaths[j] = deaths[j], deaths[i] })
	for _, point := range deaths {
		k.dieAt(point)
	}
	for more := 0; !k.kills.everyClass() && more < 2*random; more++ {
		k.dieAt("")
	}
	during := k.pushing.Pushed()
	k.pushing.Wait(k.tb, 2*soon)
	k.env = nil
	k.drain()
	k.tb.Logf("%s; %d events were pushed meanwhile", k.kills, during)
	if !k.kills.everyClass() {
		k.tb.Error("a kind of moment was never met: nothing is shown about it")
	}
	if during == events {
		k.tb.Errorf("all %d events were pushed before the last kill: push slower", events)
	}
	k.check(shop)
	k.clean()
}

// dieAt starts a process that dies at a point, or is killed at a random moment.
func (k *killRun) dieAt(point engine.Point) {
	k.tb.Helper()
	must(k.tb, os.WriteFile(k.where, []byte("--"), 0o600))
	k.env = []string{pointsFileEnv + "=" + k.where}
	if point != "" {
		nth := 1
		if point != engine.Opened {
			nth += k.chance.IntN(20)
		}
		k.env = append(k.env, fmt.Sprintf("%s=%s:%d", crashAtEnv, point, nth))
		c := k.start()
		c.Exit(soon)
		if !c.Killed() {
			k.tb.Fatalf("the process did not die at %s, the %d-th time", point, nth)
		}
		k.kills.named++
	} else {
		alive := time.Duration(k.chance.Int64N(int64(k.maxAlive)))
		c := k.start()
		select {
		case <-time.After(alive):
		case <-c.Done():
		}
		if !c.Kill() {
			k.tb.Fatal("the process ended by itself")
		}
		k.kills.random++
	}
	k.count()
}

// count reads where the process was.
func (k *killRun) count() {
	k.tb.Helper()
	at, err := os.ReadFile(k.where)
	must(k.tb, err)
	switch at[0] {
	case 'o':
		k.kills.open++
	case 'c':
		k.kills.inFlight++
	}
	if at[1] == 'd' {
		k.kills.uncleaned++
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
