package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// SourceSettings is the face of the source in a pipeline file.
type SourceSettings struct {
	Connection `yaml:",inline"`
	Topics     []string `yaml:"topics" required:"true" doc:"The topics to read. Each partition is a shard; order is kept in it." example:"[orders]"`
	Start      string   `yaml:"start" default:"oldest" enum:"oldest,newest" doc:"Where the very first start of the pipeline begins. Partitions that are found later begin at the oldest record."`
	OnGap      string   `yaml:"on_gap" default:"halt" enum:"halt,continue" doc:"When a partition does not continue what was delivered (retention has deleted unread records, the topic was made again): halt and show both sides, or go on with what there is."`
	Group      string   `yaml:"group" doc:"The consumer group under which positions are kept where the sink stores none; nothing is read by it. Default: penstock.<pipeline>." example:"penstock.orders"`
}

// Validate finds topics that cannot be, and such as are written twice.
func (s *SourceSettings) Validate() []pipeline.Problem {
	problems := s.Connection.validate()
	for i, topic := range s.Topics {
		field := fmt.Sprintf("topics[%d]", i)
		if what, do := TopicFault(topic); what != "" {
			problems = append(problems, pipeline.Problem{Field: field, What: what, Do: do})
		} else if slices.Contains(s.Topics[:i], topic) {
			problems = append(problems, pipeline.Problem{Field: field, What: topic + " is written twice", Do: "keep one"})
		}
	}
	if len(s.Topics) == 0 {
		problems = append(problems, pipeline.Problem{Field: "topics", What: "no topic is named", Do: "write [orders]"})
	}
	return problems
}

// Source reads topics, read_committed, partition by partition and by position: no
// group assigns partitions, and none is needed, since one instance of a pipeline is
// active. The position of a partition counts the offsets up to it: position N is
// after the record at offset N-1. It is a pipeline.Source.
type Source struct {
	settings SourceSettings
	group    string
	log      *slog.Logger
	opts     []kgo.Opt

	mu     sync.Mutex
	client *kgo.Client // for what is asked about topics; nil: closed
}

var _ pipeline.Source = (*Source)(nil)

// NewSource makes a source of a pipeline, whose name is in the default group. It
// connects to nobody yet; the caller closes it. Errors: Permanent, of files and
// settings.
func NewSource(s SourceSettings, pipelineName string, log *slog.Logger) (*Source, error) {
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the Kafka client refuses its settings", Err: err}
	}
	group := s.Group
	if group == "" {
		group = "penstock." + pipelineName
	}
	return &Source{settings: s, group: group, log: log, opts: opts, client: client}, nil
}

// Shards names the partitions there are: "orders/3". A topic that is missing is
// waited for: the error is Unreachable.
func (s *Source) Shards(ctx context.Context) ([]string, error) {
	var shards []string
	for _, topic := range s.settings.Topics {
		found, err := s.topic(ctx, topic)
		if err != nil {
			return nil, err
		}
		for _, partition := range found.Partitions.Sorted() {
			shards = append(shards, shardName(topic, partition.Partition))
		}
	}
	return shards, nil
}

// topic asks for a topic and its partitions.
func (s *Source) topic(ctx context.Context, name string) (kadm.TopicDetail, error) {
	admin, err := s.admin()
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	found, err := admin.ListTopics(ctx, name)
	if err == nil {
		err = found[name].Err
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return kadm.TopicDetail{}, &pipeline.Error{Class: pipeline.Unreachable, What: "topic " + name + " does not exist", Do: "create it"}
	case err != nil:
		return kadm.TopicDetail{}, s.failed("looking at topic "+name, name, err)
	}
	return found[name], nil
}

// failed gives an error its class: all can be waited for.
func (s *Source) failed(doing, topic string, err error) error {
	if isDenied(err) {
		return denied(err, "Read", topic)
	}
	return &pipeline.Error{Class: pipeline.Unreachable, What: fmt.Sprintf("%s of Kafka at %v", doing, s.settings.Brokers), Err: err}
}

func (s *Source) admin() (*kadm.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil, errSourceClosed
	}
	return kadm.NewClient(s.client), nil
}

var errSourceClosed = errors.New("the source is closed")

// Open opens one partition; see partitionReader.open for what it checks.
func (s *Source) Open(ctx context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	topic, partition, err := partitionOfShard(req.Shard)
	if err != nil {
		return nil, err
	}
	r := &partitionReader{source: s, topic: topic, partition: partition, keeps: req.KeepsPosition}
	if err := r.open(ctx, req); err != nil {
		return nil, err
	}
	r.life, r.end = context.WithCancel(context.Background())
	return r, nil
}

// Close closes the connections that the partitions share.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	return nil
}

func shardName(topic string, partition int32) string { return fmt.Sprintf("%s/%d", topic, partition) }

// partitionOfShard is shardName the other way round.
func partitionOfShard(shard string) (string, int32, error) {
	topic, number, _ := strings.Cut(shard, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return "", 0, &pipeline.Error{Class: pipeline.Permanent, What: "shard " + shard + " is no partition of a topic"}
	}
	return topic, int32(n), nil
}
