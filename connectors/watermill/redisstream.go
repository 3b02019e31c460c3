package watermill

import (
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// NewRedisSource makes a source of the stock subscriber of watermill-redisstream. It
// gives one message of a topic at a time. It connects to nobody yet. Errors:
// Permanent, of settings and files.
func NewRedisSource(s RedisSourceSettings, log *slog.Logger) (*Source, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: client, ConsumerGroup: s.Group, Consumer: s.Consumer, MaxIdleTime: s.ClaimIdle,
		OldestId:                      map[string]string{"oldest": "0", "newest": "$"}[s.Start],
		DisableIndefiniteInitialBlock: true, // or its goroutine would not end with Close
	}, logger(log))
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "watermill-redisstream", Err: err}
	}
	return NewSource(subscriber, SourceConfig{Topics: s.Topics}), nil
}

// NewRedisSink makes a sink of the stock publisher of watermill-redisstream. It
// connects to nobody yet. Errors: Permanent, of settings and files.
func NewRedisSink(s RedisSinkSettings, deadLetter string, log *slog.Logger) (*Sink, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client, DefaultMaxlen: s.MaxLength}, logger(log))
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "watermill-redisstream", Err: err}
	}
	return NewSink(publisher, s.sink(deadLetter)), nil
}

func (d Destination) sink(deadLetter string) SinkConfig {
	return SinkConfig{Topic: d.Topic, KeyMetadata: d.KeyMetadata, DeadLetter: deadLetter}
}

func (c RedisConnection) client() (redis.UniversalClient, error) {
	o, wrong := c.options()
	if wrong != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "url of watermill_redisstream: " + wrong.What, Do: wrong.Do}
	}
	o.ContextTimeoutEnabled = true
	if c.TLS != nil {
		conf, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		if conf.ServerName == "" {
			conf.ServerName = o.TLSConfig.ServerName
		}
		o.TLSConfig = conf
	}
	return redis.NewClient(o), nil
}

func (c RedisConnection) validate() []pipeline.Problem {
	if _, wrong := c.options(); wrong != nil {
		return []pipeline.Problem{*wrong}
	}
	return nil
}

// options reads the URL. What is wrong with it shows nothing of it: that may be a
// part of the password.
func (c RedisConnection) options() (*redis.Options, *pipeline.Problem) {
	url := c.URL.Reveal()
	o, err := redis.ParseURL(url)
	if err != nil {
		wrong := &pipeline.Problem{Field: "url", What: "not a Redis URL", Do: "write redis://[user:password@]host:port/db, or rediss:// for TLS"}
		if strings.Contains(url, "@") {
			wrong.Do += "; special characters of user and password percent-encoded, @ as %40, / as %2F, # as %23, % as %25"
		}
		return nil, wrong
	}
	if c.TLS != nil && o.TLSConfig == nil {
		return nil, &pipeline.Problem{Field: "tls", What: "the url is not one of TLS", Do: "write rediss:// in url, or leave tls out"}
	}
	if o.Network == "tcp" && !isAddress(o.Addr) {
		return nil, &pipeline.Problem{Field: "url", What: "its port is not a number from 1 to 65535", Do: "write redis://[user:password@]host:port/db"}
	}
	return o, nil
}

// isAddress tells whether a text is host:port.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
