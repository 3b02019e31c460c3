package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// settingsWith gives settings that are well, but for the change.
func settingsWith(change func(*SinkSettings)) *SinkSettings {
	s := &SinkSettings{Topic: "t", Compression: "none", Transaction: 15 * time.Second}
	s.Brokers = []string{"a:9092"}
	change(s)
	return s
}

func TestBrokersBetweenCommas(t *testing.T) {
	s := settingsWith(func(s *SinkSettings) {
		s.Brokers = []string{"a:9092,b:9093", "[::1]:9094", " c.example:1 , 10.0.0.1:65535 "}
	})
	if found := s.Validate(); len(found) > 0 {
		t.Error(found)
	}
	want := []string{"a:9092", "b:9093", "[::1]:9094", "c.example:1", "10.0.0.1:65535"}
	if !slices.Equal(s.Brokers, want) {
		t.Errorf("got %q, want %q", s.Brokers, want)
	}
	if s.Validate(); !slices.Equal(s.Brokers, want) {
		t.Errorf("a second time it makes %q of them", s.Brokers)
	}
}

func TestBrokersThatAreNone(t *testing.T) {
	for broker, what := range map[string]string{
		"a": "not an address", "a:": "not an address", ":9092": "not an address", "": "not an address", "a:b": "not an address",
		"a:0": "not an address", "a:99999": "not an address", "a:65536": "not an address", "a:-1": "not an address", "a:+1": "not an address",
		"kafka://a:9092": "not an address", "a:9092/x": "not an address", "user:SECRET@a:9092": "not an address", "me@a:9092": "not an address",
		"::1:9092": "not an address", "a b:9092": "not an address",
		"a:9092,b": "number 2 of its 2 is not an address", "a:9092,b:0,c:1": "number 2 of its 3 is not an address", "a:9092,": "number 2 of its 2 is not an address",
	} {
		s := settingsWith(func(s *SinkSettings) { s.Brokers = []string{"z:1", broker} })
		want := []pipeline.Problem{{Field: "brokers[1]", What: what, Do: "write host:port, like localhost:9092"}}
		if found := s.Validate(); !slices.Equal(found, want) {
			t.Errorf("%q: found %v, want %v", broker, found, want)
		}
	}
}

func TestTopicNames(t *testing.T) {
	for topic, want := range map[string]string{
		"user_behavior_topic": "", "A.b-9": "", "...": "", "_penstock": "", strings.Repeat("x", 249): "",
		"_penstock_positions": "it holds Penstock's own positions",
		"":                    "not a name of a Kafka topic", ".": "not a name of a Kafka topic", "..": "not a name of a Kafka topic",
		"a b": "not a name of a Kafka topic", "a/b": "not a name of a Kafka topic", "\u00fcber": "not a name of a Kafka topic",
		"a\n": "not a name of a Kafka topic", strings.Repeat("x", 250): "not a name of a Kafka topic",
	} {
		found := settingsWith(func(s *SinkSettings) { s.Topic = topic }).Validate()
		if got := fmt.Sprint(found); want == "" && len(found) > 0 || want != "" && (len(found) != 1 || found[0].Field != "topic" || found[0].What != want) {
			t.Errorf("%q: found %s, want %q", topic, got, want)
		}
	}
}
