//go:build unix

package pipelinetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIn(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v; want %q in it", err, part)
		}
	}
}

func TestEmbeddedAnswers(t *testing.T) {
	e := Embedded(t, kfake.SeedTopics(2, "seeded"))
	client := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
	t.Cleanup(func() { check(t, client.Close()) })
	check(t, client.Set(t.Context(), "k", "v", 0).Err())
	kafka, err := kgo.NewClient(kgo.SeedBrokers(e.KafkaAddr), kgo.DefaultProduceTopic("seeded"))
	check(t, err)
	t.Cleanup(kafka.Close)
	check(t, kafka.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr())
}

func TestMissingProgramsAreNamed(t *testing.T) {
	empty := t.TempDir()
	t.Run("redis", func(t *testing.T) {
		t.Setenv("PATH", empty)
		_, err := StartRedis(t.Context(), RedisOptions{})
		wantIn(t, err, "redis-server", "install the package redis-server", "make servers")
	})
	t.Run("java", func(t *testing.T) {
		t.Setenv("PATH", empty)
		_, err := StartKafka(t.Context(), KafkaOptions{})
		wantIn(t, err, "java", "install the package openjdk-17-jre-headless", "make servers")
	})
	t.Run("kafka", func(t *testing.T) {
		_, err := kafkaLibs(empty)
		wantIn(t, err, empty, "make servers", KafkaLibsEnv)
	})
	t.Run("no module", func(t *testing.T) {
		t.Chdir(empty)
		t.Setenv(KafkaLibsEnv, "")
		_, err := kafkaLibs("")
		wantIn(t, err, "go.mod", KafkaLibsEnv)
	})
}

func TestKafkaLibsAreFound(t *testing.T) {
	root := t.TempDir()
	libs := filepath.Join(root, ".cache", "kafka", "libs")
	below := filepath.Join(root, "a", "b")
	check(t, os.MkdirAll(libs, 0o700))
	check(t, os.MkdirAll(below, 0o700))
	check(t, os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o600))
	check(t, os.WriteFile(filepath.Join(libs, "kafka_2.13-4.3.1.jar"), nil, 0o600))
	t.Chdir(below)
	for name, env := range map[string]string{"beside go.mod": "", "by the variable": libs} {
		t.Setenv(KafkaLibsEnv, env)
		if got, err := kafkaLibs(""); got != libs || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, libs)
		}
	}
}

func TestPropertiesCanBeReplaced(t *testing.T) {
	text := properties("a:1", "a:2", "", "/data", map[string]string{"node.id": "7", "num.partitions": "4"})
	for _, line := range []string{"node.id=7\n", "num.partitions=4\n", "log.dirs=/data\n"} {
		if strings.Count(text, line) != 1 {
			t.Errorf("%q is not there once in:\n%s", line, text)
		}
	}
}

func TestPropertiesWithLogins(t *testing.T) {
	text := properties("a:1", "a:2", "a:3", "/data", nil)
	for _, line := range []string{"\nlisteners=PLAINTEXT://a:1,CONTROLLER://a:2,SASL_SSL://a:3\n", "\nadvertised.listeners=PLAINTEXT://a:1,SASL_SSL://a:3\n"} {
		if !strings.Contains("\n"+text, line) {
			t.Errorf("%q is not in:\n%s", line, text)
		}
	}
}

func TestFreePortIsFreeAndOutsideTheOutgoingOnes(t *testing.T) {
	port, err := freePort()
	check(t, err)
	if port < firstPort || port > lastPort {
		t.Errorf("port %d", port)
	}
	l, err := net.Listen("tcp", loopback(port))
	check(t, err)
	check(t, l.Close())
}

func TestSweepRemovesWhatTheDeadLeft(t *testing.T) {
	dead := exec.Command("true")
	check(t, dead.Run())
	root := t.TempDir()
	names := map[string]bool{ // name → stays
		fmt.Sprintf("penstock-%d-kafka-1", dead.Process.Pid): false,
		fmt.Sprintf("penstock-%d-kafka-2", os.Getpid()):      true,
		"penstock-mine-kafka-3":                              true,
	}
	for name := range names {
		check(t, os.Mkdir(filepath.Join(root, name), 0o700))
	}
	sweep(root)
	for name, stays := range names {
		_, err := os.Stat(filepath.Join(root, name))
		if stays != (err == nil) {
			t.Errorf("%s: %v; want it there: %t", name, err, stays)
		}
	}
}

// shell gives a process of a shell script, as a stand-in for a server.
func shell(t *testing.T, script string) *process {
	p := &process{what: "script", argv: []string{"sh", "-c", script}, dir: t.TempDir()}
	t.Cleanup(func() { check(t, p.stop()) })
	return p
}

func readyNow(context.Context) error { return nil }

func TestProcessThatEndsTellsItsLog(t *testing.T) {
	p := shell(t, "echo the reason; exit 3")
	err := p.start(t.Context(), func(context.Context) error { return fmt.Errorf("not yet") })
	wantIn(t, err, "script ended while it was starting", "the reason")
}

func TestProcessThatIsNeverReady(t *testing.T) {
	p := shell(t, "echo still busy; exec sleep 100")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := p.start(ctx, func(context.Context) error { return fmt.Errorf("not yet") })
	wantIn(t, err, "script is not ready", "deadline exceeded", "not yet", "still busy")
	if p.pid != 0 {
		t.Error("it still runs")
	}
}

func TestProcessIsStartedOnce(t *testing.T) {
	p := shell(t, "exec sleep 100")
	check(t, p.start(t.Context(), readyNow))
	wantIn(t, p.start(t.Context(), readyNow), "already running")
}

func TestProcessThatEndedByItselfIsNoticed(t *testing.T) {
	p := shell(t, "true")
	check(t, p.start(t.Context(), readyNow))
	for !p.gone() {
		if t.Context().Err() != nil {
			t.Fatal("it never ended")
		}
	}
	p.kill()
	wantIn(t, p.signal(0), "script is not running")
}

func TestNamesAreUniqueAndPlain(t *testing.T) {
	t.Run("a/b c{d}ü", func(t *testing.T) {
		one, two := Name(t), Name(t)
		if one == two || !regexp.MustCompile(`^TestNamesAreUniqueAndPlain_\w+$`).MatchString(one) {
			t.Errorf("names %q, %q", one, two)
		}
	})
}
