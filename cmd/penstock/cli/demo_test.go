//go:build unix

package cli

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

var demoSummary = regexp.MustCompile(`(?m)^([\d,]+) pushed to Redis, ([\d,]+) moved in [\d,]+ transactions, ([\d,]+) seen in Kafka, in [\d.]+ s; latency: half within `)

// TestDemo: no servers, no arguments; events arrive, a stop is quick, and nothing
// that was pushed is missing at the end.
func TestDemo(t *testing.T) {
	t.Setenv("REDIS_URL", "")
	t.Setenv("KAFKA_BROKERS", "")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	arrived := regexp.MustCompile(`(?m)^ +\d+s  running  pushed \d+  in Kafka [1-9]\d*  \d+/s  waiting \d+  position [1-9]\d*  last: partition \d+ offset \d+ key u\d+$`)
	address := regexp.MustCompile(`(?m)^the page is at (http://127\.0\.0\.1:\d+)$`)
	var page string
	out := &output{wrote: func(text string) {
		if page == "" && arrived.MatchString(text) {
			if _, page = get(t, address.FindStringSubmatch(text)[1]+"/v1/pipelines"); page != "" {
				cancel()
			}
		}
	}}
	var errOut output
	code := BuiltIn().run(ctx, []string{"demo"}, strings.NewReader(""), out, &errOut)
	if code != 0 || !arrived.MatchString(out.String()) {
		t.Fatalf("code %d, out %q, stderr %q", code, out.String(), errOut.String())
	}
	if !strings.Contains(page, `"state":"RUNNING"`) || !strings.Contains(page, `"name":"user-behavior"`) {
		t.Errorf("the page's server says %s", page)
	}
	m := demoSummary.FindStringSubmatch(out.String())
	if m == nil || m[1] == "0" || m[1] != m[2] || m[2] != m[3] {
		t.Errorf("pushed, moved and seen differ: %s", out.String())
	}
	if n := strings.Count(errOut.String(), `"msg":"this Redis lacks a capability"`); n != 1 {
		t.Errorf("what the embedded Redis cannot tell was said %d times, want once: %s", n, errOut.String())
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("this is no terminal: %q", out.String())
	}
}

// TestDemoOnServersOfTheUser is the same code on servers that are named.
func TestDemoOnServersOfTheUser(t *testing.T) {
	e := servers(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out := &output{wrote: func(text string) {
		if strings.Contains(text, "last: ") {
			cancel()
		}
	}}
	if code := BuiltIn().run(ctx, []string{"demo"}, strings.NewReader(""), out, io.Discard); code != 0 {
		t.Fatalf("code %d: %s", code, out.String())
	}
	if len(consume(t, e, "user_behavior_topic", 1)) == 0 {
		t.Error("nothing is in the user's Kafka")
	}
}

func TestDemoRefusesWhatIsNoAddress(t *testing.T) {
	t.Setenv("REDIS_URL", "http://localhost")
	t.Setenv("KAFKA_BROKERS", "")
	var out, errOut bytes.Buffer
	code := BuiltIn().run(t.Context(), []string{"demo"}, strings.NewReader(""), &out, &errOut)
	if code != 2 || !strings.Contains(errOut.String(), "url: not a Redis URL") {
		t.Errorf("code %d, stderr %q", code, errOut.String())
	}
}
