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

func TestLoginsThatCannotBe(t *testing.T) {
	oauth := func(change func(*SASL)) *SASL {
		s := &SASL{Mechanism: "oauthbearer"}
		change(s)
		return s
	}
	client := func(url string) *OAuthClient { return &OAuthClient{TokenURL: url, ID: "a", Secret: "b"} }
	for name, test := range map[string]struct {
		sasl  *SASL
		field string // empty: it can be
	}{
		"password":              {&SASL{Mechanism: "plain", Username: "a", Password: "b"}, ""},
		"no password":           {&SASL{Mechanism: "scram-sha-512", Username: "a"}, "sasl"},
		"no user":               {&SASL{Mechanism: "plain", Password: "b"}, "sasl"},
		"password and token":    {&SASL{Mechanism: "plain", Username: "a", Password: "b", Token: "c"}, "sasl.mechanism"},
		"token":                 {oauth(func(s *SASL) { s.Token = "a" }), ""},
		"token file":            {oauth(func(s *SASL) { s.TokenFile = "/a" }), ""},
		"client":                {oauth(func(s *SASL) { s.Client = client("https://a/b") }), ""},
		"no token":              {oauth(func(*SASL) {}), "sasl.mechanism"},
		"two tokens":            {oauth(func(s *SASL) { s.Token, s.TokenFile = "a", "/a" }), "sasl.mechanism"},
		"token and user":        {oauth(func(s *SASL) { s.Token, s.Username = "a", "b" }), "sasl.mechanism"},
		"no URL":                {oauth(func(s *SASL) { s.Client = client("login") }), "sasl.client_credentials.token_url"},
		"URL with password":     {oauth(func(s *SASL) { s.Client = client("https://a:SECRET@b/c") }), "sasl.client_credentials.token_url"},
		"AWS by environment":    {&SASL{Mechanism: "aws_msk_iam"}, ""},
		"AWS keys":              {&SASL{Mechanism: "aws_msk_iam", AWS: &AWSKeys{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "c"}}, ""},
		"half an AWS key":       {&SASL{Mechanism: "aws_msk_iam", AWS: &AWSKeys{AccessKeyID: "a"}}, "sasl.aws"},
		"AWS session only":      {&SASL{Mechanism: "aws_msk_iam", AWS: &AWSKeys{SessionToken: "a"}}, "sasl.aws"},
		"AWS keys and file":     {&SASL{Mechanism: "aws_msk_iam", AWS: &AWSKeys{AccessKeyID: "a", SecretAccessKey: "b", CredentialsFile: "/c"}}, "sasl.aws"},
		"AWS keys and password": {&SASL{Mechanism: "aws_msk_iam", Username: "a", Password: "b"}, "sasl.mechanism"},
	} {
		found := settingsWith(func(s *SinkSettings) { s.SASL = test.sasl }).Validate()
		if len(found) > 1 || (test.field == "") != (len(found) == 0) || len(found) == 1 && found[0].Field != test.field {
			t.Errorf("%s: found %v, want field %q", name, found, test.field)
		}
		if strings.Contains(fmt.Sprint(found), "SECRET") {
			t.Errorf("%s: %v holds a secret", name, found)
		}
	}
}

func TestSettingsThatExclude(t *testing.T) {
	for field, change := range map[string]func(*SinkSettings){
		"tls":       func(s *SinkSettings) { s.TLS = &TLS{CertFile: "/a"} },
		"partition": func(s *SinkSettings) { s.Partition, s.Partitioner = "1", roundRobin },
	} {
		if found := settingsWith(change).Validate(); len(found) != 1 || found[0].Field != field {
			t.Errorf("%s: found %v", field, found)
		}
	}
}
