package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// shape is what a pipeline reads.
type shape string

const (
	list   shape = "list"
	stream shape = "stream"
	group  shape = "group" // of a stream: at least once
)

// groupWindow is how many records a pipeline by group has under way at most: what one
// interruption can double.
const groupWindow = 8 * 200

// users push events; each one's are numbered.
const users = 1000

// job is one pipeline of a scenario, with who pushes for it and who supervises it.
type job struct {
	shape     shape
	name      string // of the pipeline, its key and its topic
	dir       string
	file      string
	metrics   string // address; empty: none are served
	binary    string
	flags     []string
	env       []string
	chance    *rand.Rand
	shop      *local.Shop
	poison    *poisoned // nil: every event is well
	pushing   *pipelinetest.Pushing
	world     *world
	instances []*instance
	gone      int  // events that a fault has taken away before they were read
	gaps      int  // that Penstock must have found
	counts    bool // Penstock says how many are gone: the log counts, not gone
	faults    int
	comeAgain int    // see scenario
	note      string // what is wrong
	said      string // what is worth saying
}

// seeded gives the chances of one thing of the run: those of others do not change it.
func seeded(seed uint64, of string) *rand.Rand {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(of)) // never fails
	return rand.New(rand.NewPCG(seed, hash.Sum64()))
}

var pipelineFile = template.Must(template.New("pipeline").Parse(`name: {{.Name}}
source:
{{- if eq .Shape "list"}}
  redis_list:
    url: {{.URL}}
    keys: [{{.Name}}]
    on_gap: {{.OnGap}}
{{- else}}
  redis_stream:
    url: {{.URL}}
    keys: [{{.Name}}]
    value_field: payload
    on_gap: {{.OnGap}}
{{- if eq .Shape "group"}}
    group: {name: chaos, claim_idle: 2s}
  batch: {records: 200}
{{- else}}
    trim: after_commit
{{- end}}
{{- end}}
  format: json
{{- if .Transforms}}
transforms:
{{- range .Transforms}}
  - {{.}}
{{- end}}
{{- end}}
sink:
  kafka:
    brokers: [{{.Brokers}}]
    topic: {{.Name}}
    key: value.user_id
    create_topic: {partitions: 4, replicas: 3}
    transaction_timeout: {{.Timeout}}
{{- if eq .Shape "group"}}
delivery: at_least_once
window: {batches: 8}
{{- else}}
lease: {life: 2s}
{{- end}}
{{- range .More}}
{{.}}
{{- end}}
`))

// newJob writes the pipeline's file. It starts nothing.
func (c *chaos) newJob(w *world, s scenario, of shape) (*job, error) {
	name := fmt.Sprintf("chaos-%s-%s", s.name, of)
	j := &job{shape: of, name: name, dir: c.dir, binary: c.binary, world: w, env: s.env, comeAgain: s.comeAgain,
		chance: seeded(c.options.seed, name), shop: local.NewShop(c.options.seed, users)}
	if s.poison {
		j.poison = &poisoned{shop: j.shop, chance: seeded(c.options.seed, name+" poison")}
	}
	timeout := s.timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	var text bytes.Buffer
	err := pipelineFile.Execute(&text, map[string]any{
		"Name": name, "Shape": string(of), "URL": w.url, "Brokers": strings.Join(quoted(w.kafka.Addrs()), ", "),
		"OnGap": map[bool]string{true: "continue", false: "halt"}[s.gaps], "Timeout": timeout, "Transforms": s.transforms, "More": s.lines(name),
	})
	if err != nil {
		return nil, err
	}
	j.file = filepath.Join(c.dir, name+".yaml")
	if s.metrics {
		if j.metrics, err = freeAddr(); err != nil {
			return nil, err
		}
		j.flags = []string{"--metrics-listen", j.metrics}
	}
	return j, os.WriteFile(j.file, text.Bytes(), 0o600)
}

// freeAddr gives an address at which nobody listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func quoted(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strconv.Quote(s)
	}
	return out
}

// push begins to push: at least so many events, and until the faults are over.
func (j *job) push(ctx context.Context, events, rate int, over <-chan struct{}) {
	how := "xadd"
	if j.shape == list {
		how = "rpush"
	}
	var from pipelinetest.Events = j.shop
	if j.poison != nil {
		from = j.poison
	}
	j.pushing = pipelinetest.Push{Connect: j.world.connect, Keys: []string{j.name}, How: how, Events: from,
		N: events, Rate: rate, Chunk: 50, Until: over}.Begin(ctx)
}

// moves waits until n more events are pushed, or all.
func (j *job) moves(ctx context.Context, n int) error {
	at := j.pushing.Pushed() + n
	return eventually(ctx, time.Minute, "events are pushed", func() bool {
		select {
		case <-j.pushing.Done():
			return true
		default:
			return j.pushing.Pushed() >= at
		}
	})
}

// flows waits until n more records are in the topic's log.
func (j *job) flows(ctx context.Context, n int64) error {
	at := j.written(ctx)
	return eventually(ctx, 2*time.Minute, "events of "+j.name+" arrive", func() bool { return j.written(ctx) >= at+n })
}

// written is how many records, committed or not, the topic's log holds; 0 where there
// is no topic yet.
func (j *job) written(ctx context.Context) (n int64) {
	ends, err := j.world.admin.ListEndOffsets(ctx, j.name)
	if err == nil {
		ends.Each(func(end kadm.ListedOffset) { n += max(0, end.Offset) })
	}
	return n
}

// emptied waits until everything is delivered and cleaned up.
func (j *job) emptied(ctx context.Context, within time.Duration) error {
	client := j.world.client
	return eventually(ctx, within, "everything of "+j.name+" is delivered and cleaned up", func() bool {
		switch j.shape {
		case list:
			n, err := client.LLen(ctx, j.name).Result()
			return err == nil && n == 0
		case stream:
			n, err := client.XLen(ctx, j.name).Result()
			return err == nil && n <= 1 // the anchor
		default:
			groups, err := client.XInfoGroups(ctx, j.name).Result()
			info, err2 := client.XInfoStream(ctx, j.name).Result()
			return errors.Join(err, err2) == nil && len(groups) == 1 && groups[0].Pending == 0 && groups[0].LastDeliveredID == info.LastGeneratedID
		}
	})
}

// restarts counts the starts after the first of each instance.
func (j *job) restarts() int {
	n := 0
	for _, i := range j.instances {
		n += i.started() - 1
	}
	return n
}

// peak gives the most memory that any process of the job has had, in bytes. They have ended.
func (j *job) peak() int64 {
	var most int64
	for _, i := range j.instances {
		most = max(most, i.peak)
	}
	return most
}

// logs gives all that the processes have logged.
func (j *job) logs() string {
	var all strings.Builder
	for _, i := range j.instances {
		all.WriteString(i.text())
	}
	return all.String()
}

var gapEntries = regexp.MustCompile(`"entries were removed from the stream before they were read"[^\n]*"entries":(\d+)`)

var newOnes = regexp.MustCompile(`"msg":"the (list|stream) is taken as a new one`)

// found gives what Penstock has said of gaps: how many, and how many entries were in those
// it could count.
func (j *job) found() (gaps, entries int) {
	logs := j.logs()
	for _, match := range gapEntries.FindAllStringSubmatch(logs, -1) {
		n, _ := strconv.Atoi(match[1]) // digits
		gaps, entries = gaps+1, entries+n
	}
	return gaps + len(newOnes.FindAllString(logs, -1)), entries
}

// poisoned makes one event of a hundred no event: JSON that is cut off.
type poisoned struct {
	shop   *local.Shop
	chance *rand.Rand
	made   int
}

func (p *poisoned) Append(dst []byte) ([]byte, string) {
	if p.chance.IntN(100) > 0 {
		return p.shop.Append(dst)
	}
	p.made++
	return fmt.Appendf(dst, `{"event_id":"poison-%d","user_id":`, p.made), "poison"
}

// stop ends the supervisors.
func (j *job) stop() {
	var all sync.WaitGroup
	for _, i := range j.instances {
		all.Go(i.stop)
	}
	all.Wait()
}

// look keeps the most memory of each instance.
func (j *job) look() {
	for _, i := range j.instances {
		i.look()
	}
}

// hold stops the instances until release.
func (j *job) hold(ctx context.Context) error {
	for _, i := range j.instances {
		if err := i.hold(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) release() {
	for _, i := range j.instances {
		i.release()
	}
}
