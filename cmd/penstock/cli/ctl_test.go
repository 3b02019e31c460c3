package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// TestCtl drives a server through a pipeline's life.
func TestCtl(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	token := strings.TrimSpace(penstock(t, "token", "new", "--file", tokens, "--role", "operator", "ada").out)
	s := serveIn(t, t.TempDir(), "--tokens", tokens)
	t.Setenv(ServerEnv, s.url)
	if got := penstock(t, "ctl", "list"); got.code != exitInvalid || !strings.Contains(got.errOut, "a token is needed") {
		t.Errorf("%+v", got)
	}
	t.Setenv(TokenEnv, token)
	ctl := func(code int, want string, args ...string) string {
		t.Helper()
		got := penstock(t, append([]string{"ctl"}, args...)...)
		if got.code != code || !strings.Contains(got.out+got.errOut, want) || strings.Contains(got.out+got.errOut, token) {
			t.Errorf("%v: %+v, want %d %s", args, got, code, want)
		}
		return got.out
	}
	name := filepath.Join(t.TempDir(), "shop.yaml")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := "name: shop\nsource: {generate: {rate: 100}, format: json}\nsink: {drop: {}}\ndelivery: at_most_once\n"
	write(text)
	ctl(0, "NAME  STATE  SINCE", "list")
	ctl(0, "revision 1", "apply", "--state", "PAUSED", name)
	t.Setenv("NO_PROXY", "127.0.0.1")
	s.token = "Bearer " + token
	s.until("shop", server.Paused)
	ctl(0, "shop  PAUSED", "list")
	ctl(0, "shop: ", "resume", "shop")
	if got := ctl(0, "name: shop", "text", "shop"); got != text {
		t.Errorf("got %s", got)
	}
	write(text + "transforms: [filter: value.quantity > 1]\n")
	ctl(0, "revision 2", "apply", name)
	write("name: shop\nsauce: 1\n")
	ctl(exitInvalid, "pipeline.yaml:2:1: ", "apply", name)
	write("sauce")
	ctl(exitInvalid, "this is no pipeline with a name", "apply", name)
	ctl(0, `"revision": 2`, "get", "shop")
	ctl(0, `"positions": []`, "positions", "shop")
	ctl(0, "shop: ", "restart", "shop")
	ctl(0, "shop: STOPPED", "stop", "shop")
	ctl(exitFailed, "is stopped; resume it", "restart", "shop")
	ctl(exitFailed, "there is no pipeline none", "pause", "none", "shop")
	s.until("shop", server.Paused)
	ctl(0, `"state": "PAUSED"`, "list", "--json")
	ctl(0, "shop is gone", "delete", "shop")
	ctl(exitFailed, "there is no pipeline shop", "get", "shop")
	ctl(exitInvalid, "there is no command", "explode")
	ctl(exitUnreachable, "does not answer", "list", "--server", "http://127.0.0.1:1")
	ctl(exitInvalid, "--ca", "list", "--ca", "/none.pem")
}

// certificates makes a certificate of this machine that vouches for itself, and its key.
func certificates(t *testing.T) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, cert, key
}

// TestServeTLS: with a certificate, and to who trusts it.
func TestServeTLS(t *testing.T) {
	ca, cert, key := certificates(t)
	s := &served{T: t, log: &output{}, dir: t.TempDir()}
	stop := start(t, s.log, "serve", "--listen", "127.0.0.1:0", "--store", filepath.Join(s.dir, "store.db"), "--tls-cert", cert, "--tls-key", key)
	defer stop()
	pipelinetest.Eventually(t, 20*time.Second, "the server answers", func() bool {
		if m := serverURL.FindStringSubmatch(s.log.String()); m != nil {
			s.url = m[1]
		}
		return s.url != ""
	})
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("it answers at %s", s.url)
	}
	if got := penstock(t, "ctl", "list", "--server", s.url, "--ca", ca); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "ctl", "list", "--server", s.url); got.code != exitUnreachable || !strings.Contains(got.errOut, "certificate") {
		t.Errorf("who does not trust it: %+v", got)
	}
}

// TestServeIsPatientNoLonger: who sends half a request is cut off, and many who do keep
// nobody out for long.
func TestServeIsPatientNoLonger(t *testing.T) {
	s := serveIn(t, t.TempDir())
	var all []net.Conn
	for range 300 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // a test
		if _, err := conn.Write([]byte("GET /v1/pipelines HTTP/1.1\r\nHost: localhost\r\nX: ")); err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	if code, _, _ := s.call("GET", "/health/live", ""); code != 200 {
		t.Errorf("others are answered with %d", code)
	}
	if err := all[0].SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, all[0]); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it waits for the rest without end")
	}
}
