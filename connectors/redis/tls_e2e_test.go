//go:build e2e && unix

package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// certificate makes files of a certificate for 127.0.0.1 that signs itself, and
// of its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"redis.example"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	der2, err := x509.MarshalECPrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der2}), 0o600))
	return cert, key
}

// freePort gives a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	port := freePort(t)
	_, p := private(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	must(t, p.client(t).RPush(t.Context(), "list", "a", "b").Err())
	through := func(c *TLS) *ListSource {
		return p.list(t, quiet, func(s *ListSettings) {
			s.URL, s.TLS = pipeline.Secret("rediss://127.0.0.1:"+port), c
		})
	}
	for _, good := range []*TLS{{CAFile: cert}, {CAFile: cert, ServerName: "redis.example"}} {
		r := open(t, through(good), "list", nil)
		got, _ := take(t, r, 2, large)
		wantValues(t, got, []string{"a", "b"})
	}
	for words, bad := range map[string]*TLS{"certificate": nil, "redis.other": {CAFile: cert, ServerName: "redis.other"}} {
		_, err := through(bad).Open(t.Context(), pipeline.OpenRequest{Shard: "list"})
		wantError(t, err, pipeline.Unreachable, words)
	}
}
