//go:build unix

package pipelinetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// CheckByConsole judges a topic as Check does, by what Kafka's own
// ConsoleConsumer prints of it, read_committed, from the start. It ends when
// nothing has come for the silence. Keys and values must hold no tab and no line
// end.
func CheckByConsole(ctx context.Context, broker, topic string, want Expectation, silence time.Duration) (Report, error) {
	java, err := program("java", "openjdk-17-jre-headless")
	if err != nil {
		return Report{}, err
	}
	libs, err := kafkaLibs("")
	if err != nil {
		return Report{}, err
	}
	cmd := exec.CommandContext(ctx, java, "-Xmx512m", "-cp", filepath.Join(libs, "*"),
		"org.apache.kafka.tools.consumer.ConsoleConsumer",
		"--bootstrap-server", broker, "--topic", topic, "--from-beginning", "--isolation-level", "read_committed",
		"--timeout-ms", strconv.FormatInt(silence.Milliseconds(), 10),
		"--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true",
		"--formatter-property", "print.key=true")
	cmd.SysProcAttr = tied()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Report{}, err
	}
	if err := cmd.Start(); err != nil {
		return Report{}, err
	}
	j := newJudge(want)
	err = takePrinted(out, j)
	if end := cmd.Wait(); err == nil && end != nil {
		err = fmt.Errorf("%w:\n%s", end, tailOf(complaints.String(), 10))
	}
	if err != nil {
		return Report{}, fmt.Errorf("ConsoleConsumer on topic %s: %w", topic, err)
	}
	return j.verdict(), nil
}

// takePrinted hands every printed line, Partition:p, Offset:o, key and value
// with tabs between, to the judge.
func takePrinted(out io.Reader, j *judge) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		parts := bytes.SplitN(lines.Bytes(), []byte("\t"), 4)
		if len(parts) != 4 {
			return errors.New("it printed a line without partition, offset, key and value")
		}
		partition, err1 := numbered(parts[0], "Partition:")
		offset, err2 := numbered(parts[1], "Offset:")
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		j.take(int32(partition), offset, parts[2], parts[3]) //nolint:gosec // a partition
	}
	return lines.Err()
}

func numbered(text []byte, label string) (int64, error) {
	digits, ok := bytes.CutPrefix(text, []byte(label))
	if !ok {
		return 0, fmt.Errorf("it printed %q where %s belongs", text, label)
	}
	return strconv.ParseInt(string(digits), 10, 64)
}

// ProduceByConsole writes records to a topic by Kafka's own ConsoleProducer, with
// its partitioner, and returns when the broker has them. Keys and values must hold
// no tab and no line end.
func ProduceByConsole(ctx context.Context, broker, topic string, records [][2]string) error {
	java, err := program("java", "openjdk-17-jre-headless")
	if err != nil {
		return err
	}
	libs, err := kafkaLibs("")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, java, "-Xmx512m", "-Dfile.encoding=UTF-8", "-cp", filepath.Join(libs, "*"),
		"org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", broker, "--topic", topic,
		"--reader-property", "parse.key=true", "--reader-property", "key.separator=\t")
	cmd.SysProcAttr = tied()
	var lines bytes.Buffer
	for _, r := range records {
		fmt.Fprintf(&lines, "%s\t%s\n", r[0], r[1])
	}
	cmd.Stdin = &lines
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ConsoleProducer on topic %s: %w:\n%s", topic, err, tailOf(string(out), 10))
	}
	return nil
}
