//go:build e2e && unix

package kafka

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// guarded is a real Kafka with TLS, logins and an authorizer that allows nothing
// that was not granted. Its plain listener is for the one who grants.
type guarded struct {
	*pipelinetest.Kafka
	ca string // file
}

// Passwords: that of every user, and one that nobody has.
const (
	password = "s3cret-of-a-user"
	wrong    = "wr0ng-for-a-user"
)

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	cert, ca := certificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	must(t, err)
	trusted, err := os.ReadFile(ca)
	must(t, err)
	store := filepath.Join(t.TempDir(), "broker.pem")
	must(t, os.WriteFile(store, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), trusted...), 0o600))
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	k, err := pipelinetest.StartKafka(t.Context(), pipelinetest.KafkaOptions{Heap: "512m", SASL: true, Properties: map[string]string{
		"ssl.keystore.type":       "PEM",
		"ssl.keystore.location":   store,
		"sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.sasl_ssl.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required " +
			`user_ada="` + password + `";`,
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
		"authorizer.class.name":                                 "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"allow.everyone.if.no.acl.found":                        "false",
		"super.users":                                           "User:ANONYMOUS",
	}})
	must(t, err)
	t.Cleanup(func() { must(t, k.Stop()) })
	return &guarded{k, ca}
}

// client is a pipeline whose user may do what was granted to it.
type client struct {
	*kafkaTest
	broker *guarded
	user   string
	login  string // mechanism
}

// client makes a pipeline and its user. For plain, that is the one whom the
// broker knows; the others are made.
func (g *guarded) client(t *testing.T, mechanism string) *client {
	t.Helper()
	k := on(t, g.Addr())
	scram, made := map[string]kadm.ScramMechanism{"scram-sha-256": kadm.ScramSha256, "scram-sha-512": kadm.ScramSha512}[mechanism]
	if !made {
		return &client{k, g, "ada", mechanism}
	}
	answer, err := k.admin.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: k.name, Mechanism: scram, Iterations: 4096, Password: password}})
	must(t, err)
	must(t, answer.Error())
	return &client{k, g, k.name, mechanism}
}

// right is a line of the table of rights in connectors/README.md.
type right struct {
	kind string // "Topic", "TransactionalId" or "Group"
	name string
	op   kadm.ACLOperation
}

// fewest gives the rights that are enough. README.md has one more, DescribeConfigs,
// and says what is missing without it.
func (c *client) fewest() []right {
	return []right{
		{"Topic", c.topic, kadm.OpWrite},
		{"Topic", positionsTopic, kadm.OpCreate},
		{"Topic", positionsTopic, kadm.OpRead},
		{"Topic", positionsTopic, kadm.OpWrite},
		{"TransactionalId", "penstock.", kadm.OpWrite},
	}
}

// existing gives those that matter when the topic of positions is there.
func (c *client) existing() []right {
	return slices.DeleteFunc(c.fewest(), func(r right) bool { return r.op == kadm.OpCreate })
}

// awaited is how an error names the right.
func (r right) awaited() string {
	op := "Write"
	if r.op == kadm.OpRead {
		op = "Read"
	}
	return "allow " + op + " on " + r.kind + " " + r.name
}

func (r right) acl(user string) *kadm.ACLBuilder {
	acl := kadm.NewACLs().Operations(r.op).Allow("User:" + user).AllowHosts("*")
	if r.kind == "TransactionalId" {
		return acl.TransactionalIDs(r.name).ResourcePatternType(kadm.ACLPatternPrefixed)
	}
	if r.kind == "Group" {
		return acl.Groups(r.name).ResourcePatternType(kadm.ACLPatternLiteral)
	}
	return acl.Topics(r.name).ResourcePatternType(kadm.ACLPatternLiteral)
}

func (c *client) grant(rights ...right) {
	c.Helper()
	for _, r := range rights {
		made, err := c.admin.CreateACLs(c.Context(), r.acl(c.user))
		must(c, err)
		must(c, made[0].Err)
	}
}

func (c *client) revoke(r right) {
	c.Helper()
	gone, err := c.admin.DeleteACLs(c.Context(), r.acl(c.user))
	must(c, err)
	if len(gone) != 1 || gone[0].Err != nil || len(gone[0].Deleted) != 1 {
		c.Fatalf("taking away %v: %+v", r, gone)
	}
}

// sink gives a sink that logs in.
func (c *client) sink(change ...func(*SinkSettings)) *Sink {
	c.Helper()
	return c.kafkaTest.sink(append([]func(*SinkSettings){func(s *SinkSettings) {
		s.Brokers = []string{c.broker.SASLAddr()}
		s.TLS = &TLS{CAFile: c.broker.ca}
		s.SASL = &SASL{Mechanism: c.login, Username: c.user, Password: password}
	}}, change...)...)
}

// deliver opens the lane, writes and commits a value, as a session of the engine
// does.
func (c *client) deliver(s *Sink, value string) error {
	lane, _, err := s.Open(c.Context(), c.id("first"))
	if err != nil {
		return err
	}
	defer lane.Close(context.Background()) //nolint:errcheck // it is always nil
	return c.commit(lane, value)
}

func (c *client) commit(lane pipeline.Lane, value string) error {
	must(c, lane.Write(c.Context(), batch("list", value)))
	return lane.Commit(c.Context(), map[string]pipeline.Position{"list": at(1)})
}

// goesOn waits until a value is delivered: the authorizer learns of a right, and
// the broker of a user, a moment after the one who made it. Until then each
// error is one that is waited for.
func (c *client) goesOn(s *Sink, value string) {
	c.Helper()
	pipelinetest.Eventually(c, 20*time.Second, "it goes on", func() bool {
		err := c.deliver(s, value)
		if err != nil {
			c.wantWaiting(err)
		}
		return err == nil
	})
}

// wantWaiting checks that an error is one that is waited for, and tells no
// password.
func (c *client) wantWaiting(err error, words ...string) {
	c.Helper()
	wantError(c, err, pipeline.Unreachable, words...)
	if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), wrong) {
		c.Errorf("%q holds a password", err)
	}
}

func TestAccess(t *testing.T) {
	g := startGuarded(t)
	t.Run("positions cannot be made", g.noCreate) // the first: they are made in it
	t.Run("login", g.login)
	t.Run("refused login", g.refusedLogin)
	t.Run("missing right", g.missingRight)
	t.Run("lost right", g.lostRight)
	t.Run("settings not shown", g.noDescribe)
	t.Run("dead letters", g.letters)
}

func (g *guarded) noCreate(t *testing.T) {
	c := g.client(t, "scram-sha-512")
	c.grant(c.existing()...)
	s := c.sink()
	pipelinetest.Eventually(t, 20*time.Second, "Create is awaited", func() bool {
		err := c.deliver(s, "never")
		c.wantWaiting(err)
		return strings.Contains(err.Error(), "allow Create on Topic "+positionsTopic)
	})
	c.grant(c.fewest()...)
	c.goesOn(s, "one")
	c.wantCommitted(c.topic, "one")
}

func (g *guarded) login(t *testing.T) {
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			c := g.client(t, mechanism)
			c.grant(c.fewest()...)
			s := c.sink()
			c.goesOn(s, "one")
			lane, positions := c.open(s, "first")
			if positions["list"] != at(1) {
				t.Errorf("the positions are %v", positions)
			}
			must(t, c.commit(lane, "two"))
			must(t, c.commit(lane, "three"))
			c.wantCommitted(c.topic, "one", "two", "three")
		})
	}
}

func (g *guarded) refusedLogin(t *testing.T) {
	_, strange := certificate(t)
	const check = "check mechanism, username and password"
	badPassword := func(s *SinkSettings) { s.SASL.Password = wrong }
	for name, test := range map[string]struct {
		mechanism string
		change    func(*SinkSettings)
		words     string
	}{
		"plain, wrong password":         {"plain", badPassword, check},
		"scram-sha-256, wrong password": {"scram-sha-256", badPassword, check},
		"scram-sha-512, wrong password": {"scram-sha-512", badPassword, check},
		"unknown user":                  {"scram-sha-512", func(s *SinkSettings) { s.SASL.Username = "nobody" }, check},
		"another mechanism":             {"scram-sha-256", func(s *SinkSettings) { s.SASL.Mechanism = "scram-sha-512" }, check},
		"no login":                      {"plain", func(s *SinkSettings) { s.SASL = nil }, "is SASL missing?"},
		"no TLS":                        {"plain", func(s *SinkSettings) { s.TLS = nil }, "tls"},
		"unknown authority":             {"plain", func(s *SinkSettings) { s.TLS.CAFile = strange }, "unknown authority"},
		"the system's authorities":      {"plain", func(s *SinkSettings) { s.TLS.CAFile = "" }, "unknown authority"},
		"another name":                  {"plain", func(s *SinkSettings) { s.TLS.ServerName = "kafka.other" }, "kafka.other"},
	} {
		t.Run(name, func(t *testing.T) {
			c := g.client(t, test.mechanism)
			c.wantWaiting(c.deliver(c.sink(test.change), "never"), g.SASLAddr(), test.words)
		})
	}
}

// A right that was never there is named, and when it is granted it goes on.
func (g *guarded) missingRight(t *testing.T) {
	for i := range 4 {
		c := g.client(t, "scram-sha-256")
		rights := c.existing()
		missing := rights[i]
		c.grant(slices.Delete(rights, i, i+1)...)
		s := c.sink()
		pipelinetest.Eventually(t, 20*time.Second, missing.awaited(), func() bool {
			err := c.deliver(s, "never")
			c.wantWaiting(err)
			return strings.Contains(err.Error(), missing.awaited())
		})
		c.grant(missing)
		c.goesOn(s, "one")
		c.wantCommitted(c.topic, "one")
	}
}

// A right that is taken away from a running lane: the same, and what was
// committed before stays as it is.
func (g *guarded) lostRight(t *testing.T) {
	for i := range 3 {
		c := g.client(t, "scram-sha-512")
		lost := slices.DeleteFunc(c.fewest(), func(r right) bool { return r.op != kadm.OpWrite })[i]
		c.grant(c.fewest()...)
		s := c.sink()
		c.goesOn(s, "0")
		want := []string{"0"}
		lane, _ := c.open(s, "first")
		c.revoke(lost)
		var err error
		pipelinetest.Eventually(t, 20*time.Second, "the right is gone", func() bool {
			next := strconv.Itoa(len(want))
			if err = c.commit(lane, next); err == nil {
				want = append(want, next)
			}
			return err != nil
		})
		c.wantWaiting(err, lost.awaited())
		must(t, lane.Close(t.Context()))
		c.wantWaiting(c.deliver(s, "never"), lost.awaited())
		c.grant(lost)
		c.goesOn(s, "last")
		c.wantCommitted(c.topic, append(want, "last")...)
	}
}

// Without DescribeConfigs it goes on, and the log says once what was not seen.
func (g *guarded) noDescribe(t *testing.T) {
	c := g.client(t, "scram-sha-256")
	c.grant(c.fewest()...)
	var log bytes.Buffer
	s := c.sink()
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	c.goesOn(s, "one")
	must(t, c.deliver(s, "two"))
	c.wantCommitted(c.topic, "one", "two")
	if said := log.String(); strings.Count(said, "allow DescribeConfigs") != 1 || !strings.Contains(said, c.topic) || !strings.Contains(said, positionsTopic) {
		t.Errorf("the log says %q", said)
	}
}

// letters are shown, and noted as given back, with Read on their topic and on the group.
func (g *guarded) letters(t *testing.T) {
	c := g.client(t, "scram-sha-256")
	topic := c.topic + "_dead"
	c.create(topic, 1, nil)
	c.refuse(topic, true, 1, "a", "b")
	at := Connection{Brokers: []string{g.SASLAddr()}, TLS: &TLS{CAFile: g.ca}, SASL: &SASL{Mechanism: c.login, Username: c.user, Password: password}}
	group := right{"Group", "penstock.dead-letters." + c.name, kadm.OpRead}
	look := func() (ids []string, l *Letters, err error) {
		l, err = NewLetters(at, topic, c.name)
		must(c, err)
		c.Cleanup(func() { must(c, l.Close()) })
		err = l.Each(c.Context(), func(letter pipeline.DeadLetter) bool { ids = append(ids, letter.ID); return true })
		return ids, l, err
	}
	c.grant(right{"Topic", topic, kadm.OpRead})
	pipelinetest.Eventually(c, 20*time.Second, "the group is what is missing", func() bool {
		_, _, err := look()
		return err != nil && strings.Contains(err.Error(), "allow Read on Group "+group.name)
	})
	c.grant(group)
	pipelinetest.Eventually(c, 20*time.Second, "the letters are shown", func() bool {
		ids, l, err := look()
		return err == nil && len(ids) == 2 && l.GivenBack(c.Context(), ids[:1]) == nil
	})
	if ids, _, err := look(); err != nil || len(ids) != 1 {
		c.Errorf("left %q, %v", ids, err)
	}
}
