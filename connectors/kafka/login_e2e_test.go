//go:build e2e && unix

package kafka

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// unsecured gives a token that nobody has signed, as the broker below takes it.
func unsecured(subject string, lasts time.Duration) string {
	now := time.Now()
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "."
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, subject, now.Add(-2*time.Hour).Unix(), now.Add(lasts).Unix())
	return text + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
}

// keyFiles writes a certificate that signs itself, with its key, for both ends.
func keyFiles(t *testing.T) (both, key, ca string) {
	t.Helper()
	cert, ca := certificate(t)
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	must(t, err)
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	public, err := os.ReadFile(ca)
	must(t, err)
	dir := t.TempDir()
	both, key = filepath.Join(dir, "both.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(both, append(private, public...), 0o600))
	must(t, os.WriteFile(key, private, 0o600))
	return both, key, ca
}

// A real broker that asks for a certificate (mutual TLS) and a token of everybody.
func TestTokensAndCertificates(t *testing.T) {
	store, _, brokerCA := keyFiles(t)
	_, clientKey, clientCert := keyFiles(t)
	_, strangeKey, strangeCert := keyFiles(t)
	const handler = "listener.name.sasl_ssl.oauthbearer.sasl."
	broker, err := pipelinetest.StartKafka(t.Context(), pipelinetest.KafkaOptions{Heap: "512m", SASL: true, Properties: map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": store, "ssl.truststore.type": "PEM", "ssl.truststore.location": clientCert,
		"listener.name.sasl_ssl.ssl.client.auth":  "required",
		"sasl.enabled.mechanisms":                 "OAUTHBEARER",
		handler + "jaas.config":                   `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		handler + "server.callback.handler.class": "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
	}})
	must(t, err)
	t.Cleanup(func() { must(t, broker.Stop()) })
	k := on(t, broker.Addr())
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte(unsecured("ada", -time.Hour)), 0o600))
	url, _ := tokenURL(t, func() string { return unsecured("ada", time.Hour) })

	ours := TLS{CAFile: brokerCA, CertFile: clientCert, KeyFile: clientKey}
	good := &SASL{Mechanism: oauthBearer, Token: pipeline.Secret(unsecured("ada", time.Hour))}
	asks := &OAuthClient{TokenURL: url, ID: "penstock", Secret: "s3cret", Scopes: []string{"kafka"}}
	fromFile := &SASL{Mechanism: oauthBearer, TokenFile: file}
	through := func(conn TLS, login *SASL) *Sink {
		return k.sink(func(s *SinkSettings) { s.Brokers, s.TLS, s.SASL = []string{broker.SASLAddr()}, &conn, login })
	}
	deliver := func(s *Sink, value string) error { return (&client{kafkaTest: k}).deliver(s, value) }

	must(t, deliver(through(ours, good), "token"))
	must(t, deliver(through(ours, &SASL{Mechanism: oauthBearer, Client: asks}), "client"))
	s := through(ours, fromFile)
	wantError(t, deliver(s, "never"), pipeline.Unreachable, broker.SASLAddr())
	must(t, os.WriteFile(file, []byte(unsecured("ada", time.Hour)+"\n"), 0o600))
	must(t, deliver(s, "file"))
	for name, bad := range map[string]*Sink{
		"no certificate":        through(TLS{CAFile: brokerCA}, good),
		"a strange certificate": through(TLS{CAFile: brokerCA, CertFile: strangeCert, KeyFile: strangeKey}, good),
		"no token":              through(ours, &SASL{Mechanism: oauthBearer, Token: "nonsense"}),
		"a refused client":      through(ours, &SASL{Mechanism: oauthBearer, Client: &OAuthClient{TokenURL: url, ID: "penstock", Secret: "wr0ng"}}),
	} {
		if err := deliver(bad, "never"); err == nil || pipeline.ClassOf(err) != pipeline.Unreachable {
			t.Errorf("%s: got the error %v", name, err)
		}
	}
	if _, err := NewSink(SinkSettings{Connection: Connection{TLS: &TLS{CertFile: clientCert, KeyFile: strangeKey}}}, pipeline.ExactlyOnce, DeadLetters{}, nil); pipeline.ClassOf(err) != pipeline.Permanent {
		t.Errorf("the key of another: got the error %v", err)
	}
	got := []string{}
	k.settled(k.topic)
	for _, r := range k.committed(k.topic) {
		got = append(got, string(r.Value))
	}
	if slices.Sort(got); !slices.Equal(got, []string{"client", "file", "token"}) {
		t.Errorf("topic %s holds %q", k.topic, got)
	}

	connection := Connection{Brokers: []string{broker.SASLAddr()}, TLS: &ours, SASL: fromFile}
	k.topic = pipelinetest.Name(t)
	k.create(k.topic, 1, nil)
	pub := k.publisher(func(c *PublisherConfig) { c.Connection = connection })
	must(t, pub.Publish(k.topic, message.NewMessage("1", []byte("pub"))))
	k.want(k.subscribe(k.subscriber(func(c *SubscriberConfig) { c.Connection = connection })), "1")
}
