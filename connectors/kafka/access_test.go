//go:build unix

package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestLogin(t *testing.T) {
	servers := pipelinetest.Embedded(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ada", "s3cret"),
		kfake.Superuser("SCRAM-SHA-256", "ada", "s3cret"), kfake.Superuser("SCRAM-SHA-512", "ada", "s3cret"),
		kfake.SeedTopics(1, "topic"))
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		for password, good := range map[pipeline.Secret]bool{"s3cret": true, "wr0ng": false} {
			k := &kafkaTest{TB: t, addr: servers.KafkaAddr, name: pipelinetest.Name(t), topic: "topic"}
			s := k.sink(func(s *SinkSettings) { s.SASL = &SASL{Mechanism: mechanism, Username: "ada", Password: password} })
			lane, _, err := s.Open(t.Context(), k.id("first"))
			if good {
				must(t, err)
				must(t, lane.Close(t.Context()))
				continue
			}
			wantError(t, err, pipeline.Unreachable, servers.KafkaAddr)
			if strings.Contains(err.Error(), password.Reveal()) {
				t.Errorf("%q holds the password", err)
			}
		}
	}
}

// certificate makes one for 127.0.0.1 that signs itself, and the file to trust it.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka.example"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"kafka.example"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestTLS(t *testing.T) {
	cert, file := certificate(t)
	servers := pipelinetest.Embedded(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}), kfake.SeedTopics(1, "topic"))
	k := &kafkaTest{TB: t, addr: servers.KafkaAddr, name: pipelinetest.Name(t), topic: "topic"}
	for _, good := range []TLS{{CAFile: file}, {CAFile: file, ServerName: "kafka.example"}} {
		lane, _ := k.open(k.sink(func(s *SinkSettings) { s.TLS = &good }), "first")
		must(t, lane.Close(t.Context()))
	}
	for words, bad := range map[string]TLS{"certificate": {}, "kafka.other": {CAFile: file, ServerName: "kafka.other"}} {
		_, _, err := k.sink(func(s *SinkSettings) { s.TLS = &bad }).Open(t.Context(), k.id("first"))
		wantError(t, err, pipeline.Unreachable, words)
	}
}
