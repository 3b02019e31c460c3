package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
