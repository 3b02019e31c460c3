package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/movers"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestMain lets the test binary be the mover process that a benchmark starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "mover" {
		main()
		return
	}
	os.Exit(m.Run())
}

// runCommand runs the command line and returns what it printed.
func runCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	command := rootCommand()
	command.SetArgs(args)
	command.SetOut(&out)
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestFillMoveCheck(t *testing.T) {
	servers := pipelinetest.Embedded(t, kfake.SeedTopics(4, "behaviour"), kfake.SeedTopics(1, "_bench_positions"))
	if _, err := runCommand(t, "fill", "--redis", "redis://"+servers.RedisAddr+"/0", "--shape", "list", "--key", "shop",
		"--events", "3000", "--users", "50"); err != nil {
		t.Fatal(err)
	}
	if _, err := runCommand(t, "mover", "list-step", "--redis", servers.RedisAddr, "--brokers", servers.KafkaAddr,
		"--key", "shop", "--topic", "behaviour", "--events", "3000"); err != nil {
		t.Fatal(err)
	}
	check := []string{"check", "--brokers", servers.KafkaAddr, "--topic", "behaviour", "--users", "50", "--events"}
	out, err := runCommand(t, append(check, "3000")...)
	if want := "3000 records: 0 lost, 0 doubled, 0 disordered, 0 corrupt, 0 foreign\n"; err != nil || out != want {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
	out, err = runCommand(t, append(check, "3007", "--json")...)
	if err == nil || !strings.Contains(out, `"records":3000,"lost":7,`) {
		t.Errorf("seven events are not there: got %q, %v; want them counted, and an error", out, err)
	}
}

func TestWrongFlags(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--only (", "--only"},
		{"--only nothing-like-that", "penstock-stream"},
		{"mover nobody", "list-step"},
		{"fill --redis ftp://x", "--redis"},
		{"fill --shape heap", "list and stream"},
		{"check --events -1", "--events"},
		{"unknown", "unknown"},
	} {
		if _, err := runCommand(t, strings.Fields(test.args)...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("bench %s: got %v; want %q", test.args, err, test.want)
		}
	}
}

func TestPipelineFiles(t *testing.T) {
	for _, test := range []struct {
		golden string
		shape  measure.Shape
		way    way
	}{
		{"list.yaml", measure.List, plain},
		{"stream.yaml", measure.Stream, plain},
		{"chain.yaml", measure.Stream, chain},
		{"group.yaml", measure.Stream, group},
		{"plugin.yaml", measure.Stream, idler},
	} {
		t.Run(test.golden, func(t *testing.T) {
			p, plugin := penstock{dir: t.TempDir()}, ""
			if test.way == idler {
				plugin = `["/bench", "plugin"]`
			}
			path, err := p.write(pipelineFile{
				Name: "bench-1", Shape: test.shape, RedisURL: "redis://127.0.0.1:6379/0", Key: "bench-1",
				Broker: "127.0.0.1:9092", Topic: "bench-1", Compression: "snappy", Way: test.way, Plugin: plugin,
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", test.golden))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestEveryRowRunsSomething(t *testing.T) {
	for _, r := range rows {
		mover, isMover := strings.CutPrefix(r.name, string(r.shape)+"-")
		if isMover && mover != "article" {
			if _, err := movers.Named(r.name); err != nil {
				t.Error(err)
			}
		}
		if r.title == "" || r.promise == "" || r.guess <= 0 || r.command == nil {
			t.Errorf("%+v is not complete", r)
		}
	}
}

func TestEventsFor(t *testing.T) {
	for _, test := range []struct {
		rate, seconds float64
		want          int
	}{{1000, 10, 10_000}, {10, 1, 500}, {1e6, 60, most}} {
		if got := eventsFor(test.rate, test.seconds); got != test.want {
			t.Errorf("%g/s for %g s: got %d; want %d", test.rate, test.seconds, got, test.want)
		}
	}
}

func TestField(t *testing.T) {
	text := []byte("# Server\r\nredis_version:7.0.15\r\nmodel name\t: A CPU: fast\r\n")
	for name, want := range map[string]string{"redis_version": "7.0.15", "model name": "A CPU: fast", "none": ""} {
		if got := field(text, name); got != want {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
}

func TestEventsAreOfAbout300Bytes(t *testing.T) {
	if got := eventBytes(); got < 270 || got > 330 {
		t.Errorf("got %d bytes", got)
	}
}

func TestFillSpreadsUsersOverKeys(t *testing.T) {
	servers := pipelinetest.Embedded(t)
	if _, err := runCommand(t, "fill", "--redis", "redis://"+servers.RedisAddr, "--shape", "stream", "--key", "shop",
		"--shards", "8", "--events", "800", "--users", "100"); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: servers.RedisAddr})
	defer client.Close()
	var sum int64
	for _, key := range (measure.Fill{Key: "shop", Shards: 8}).Keys() {
		n, err := client.XLen(t.Context(), key).Result()
		if err != nil || n == 0 {
			t.Errorf("%s holds %d entries, %v", key, n, err)
		}
		sum += n
	}
	if sum != 800 {
		t.Errorf("the keys hold %d entries; want 800", sum)
	}
}
