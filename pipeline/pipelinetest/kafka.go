//go:build unix

package pipelinetest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KafkaLibsEnv names the variable with the directory of Kafka's jars. Without
// it they are looked for in .cache/kafka/libs beside the module's go.mod, where
// `make servers` puts them.
const KafkaLibsEnv = "PENSTOCK_KAFKA_LIBS"

// KafkaOptions says how to start a Kafka. The zero value is a fresh broker on a
// free port.
type KafkaOptions struct {
	Libs       string            // directory of the jars; empty: see KafkaLibsEnv
	Heap       string            // of the JVM, "512m"; empty: 1g
	Dir        string            // for its files; empty: a temporary one, removed by Stop
	Port       int               // zero: a free one
	SASL       bool              // a listener with TLS and logins too, at SASLAddr; Properties hold its keys and users
	Properties map[string]string // added to server.properties, or instead of what is there

	cluster string // the id of the cluster that it joins; empty: one of its own
}

// Kafka is a real Apache Kafka: one process that is broker and controller. Its
// methods are called one at a time.
type Kafka struct {
	addr string
	sasl string   // address of the listener with TLS and logins; empty: none
	proc *process // nil: shared, and started by somebody else
}

// StartKafka formats a log directory, starts a broker, and returns when it
// answers and every partition has a leader, after about five seconds. ctx bounds
// the starting, which takes no longer than a minute. The caller calls Stop.
func StartKafka(ctx context.Context, o KafkaOptions) (*Kafka, error) {
	java, err := program("java", "openjdk-17-jre-headless")
	if err != nil {
		return nil, err
	}
	if o.Libs, err = kafkaLibs(o.Libs); err != nil {
		return nil, err
	}
	proc, port, err := place("kafka", o.Dir, o.Port)
	if err != nil {
		return nil, err
	}
	k := &Kafka{addr: loopback(port), proc: proc}
	if o.Heap == "" {
		o.Heap = "1g"
	}
	classes := filepath.Join(o.Libs, "*")
	k.proc.argv = []string{java, "-Xms" + o.Heap, "-Xmx" + o.Heap, "-cp", classes, "kafka.Kafka", "server.properties"}
	if err = k.format(ctx, java, classes, port, o); err == nil {
		err = k.proc.start(ctx, k.ready)
	}
	if err != nil {
		return nil, errors.Join(err, k.proc.stop())
	}
	return k, nil
}

// format writes server.properties and formats the log directory for it, unless
// an earlier Kafka has done so in the same directory.
func (k *Kafka) format(ctx context.Context, java, classes string, port int, o KafkaOptions) error {
	controller, err := freePort()
	if err != nil {
		return err
	}
	if o.SASL {
		sasl, err := freePort()
		if err != nil {
			return err
		}
		k.sasl = loopback(sasl)
	}
	file := filepath.Join(k.proc.dir, "server.properties")
	text := properties(loopback(port), loopback(controller), k.sasl, filepath.Join(k.proc.dir, "data"), o.Properties)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if o.cluster == "" {
		o.cluster = clusterID()
	}
	out, err := exec.CommandContext(ctx, java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classes,
		"kafka.tools.StorageTool", "format", "--ignore-formatted",
		"-t", o.cluster, "-c", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("formatting Kafka's log directory: %w:\n%s", err, out)
	}
	return nil
}

func clusterID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f        // the id must not begin with a dash
	return base64.RawURLEncoding.EncodeToString(id)
}

// properties gives the file of one broker that is its own controller, by the
// addresses of its listeners; sasl may be empty. After a kill the controller
// waits for the end of the broker's old session before it lets the new one in,
// so that is short: 3 s in place of 9. Nothing is deleted for its age: records of
// tests, and those of old backlogs, have timestamps of long ago, and the first look
// for such, 30 s after the start, would take them away.
func properties(plain, controller, sasl, data string, more map[string]string) string {
	all := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         "1@" + controller,
		"listeners":                                        "PLAINTEXT://" + plain + ",CONTROLLER://" + controller,
		"advertised.listeners":                             "PLAINTEXT://" + plain,
		"controller.listener.names":                        "CONTROLLER",
		"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"broker.session.timeout.ms":                        "3000",
		"broker.heartbeat.interval.ms":                     "500",
		"log.dirs":                                         data,
		"log.retention.ms":                                 "-1",
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"group.initial.rebalance.delay.ms":                 "0",
	}
	if sasl != "" {
		all["listeners"] += ",SASL_SSL://" + sasl
		all["advertised.listeners"] += ",SASL_SSL://" + sasl
		all["listener.security.protocol.map"] += ",SASL_SSL:SASL_SSL"
	}
	maps.Copy(all, more)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s=%s\n", name, all[name])
	}
	return text.String()
}

// ready returns nil when the broker answers a metadata request with itself in
// it and a leader for every partition.
func (k *Kafka) ready(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.addr), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(answer.Brokers) == 0 {
		return errors.New("no broker is registered yet")
	}
	for _, topic := range answer.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return fmt.Errorf("partition %d of %s: %w", partition.Partition, *topic.Topic, err)
			}
		}
	}
	return nil
}

// kafkaLibs finds the directory of Kafka's jars.
func kafkaLibs(dir string) (string, error) {
	if dir == "" {
		dir = os.Getenv(KafkaLibsEnv)
	}
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, ".cache", "kafka", "libs")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if jars, _ := filepath.Glob(filepath.Join(dir, "kafka_*.jar")); len(jars) == 0 {
		return "", fmt.Errorf("no Apache Kafka in %s; run: make servers (or name its directory in %s)", dir, KafkaLibsEnv)
	}
	return dir, nil
}

// moduleRoot gives the nearest directory with a go.mod, from here upwards.
func moduleRoot() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above it; name the directory of Kafka's jars in %s", here, KafkaLibsEnv)
		}
	}
}

// Addr gives "127.0.0.1:port".
func (k *Kafka) Addr() string { return k.addr }

// SASLAddr gives "127.0.0.1:port" of the listener with TLS and logins, empty
// where there is none.
func (k *Kafka) SASLAddr() string { return k.sasl }

// PID gives the id of the broker's process; 0: it does not run, or is shared.
func (k *Kafka) PID() int { return pid(k.proc) }

// Kill ends the broker with SIGKILL and returns when it has ended.
func (k *Kafka) Kill() error { return kill(k.proc) }

// Restart kills the broker if it runs, starts it again on the same port and
// data, and returns when it answers and every partition has a leader.
func (k *Kafka) Restart(ctx context.Context) error { return restart(ctx, k.proc, k.ready) }

// Pause stops the broker's process where it stands (SIGSTOP); connections stay.
func (k *Kafka) Pause() error { return signal(k.proc, syscall.SIGSTOP) }

// Resume lets a paused broker go on (SIGCONT).
func (k *Kafka) Resume() error { return signal(k.proc, syscall.SIGCONT) }

// Stop ends the broker and removes its temporary directory. It may be called
// more than once.
func (k *Kafka) Stop() error { return stop(k.proc) }
