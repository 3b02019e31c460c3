package kafka

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The first message of MSK IAM is a signed request (github.com/aws/aws-msk-iam-auth),
// with the keys from where they are now.
func TestAWSKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	must(t, os.WriteFile(file, []byte("[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key = s1\n\n[ shop ]\n# a comment\naws_access_key_id = AKIASHOP\naws_secret_access_key = s2\naws_session_token = t2\n"), 0o600))
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3")
	t.Setenv("AWS_SESSION_TOKEN", "t3")
	const broker = "b-1.shop.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"
	for id, test := range map[string]struct {
		keys  *AWSKeys
		token string
	}{
		"AKIASET":     {&AWSKeys{AccessKeyID: "AKIASET", SecretAccessKey: "s0"}, ""},
		"AKIADEFAULT": {&AWSKeys{CredentialsFile: file}, ""},
		"AKIASHOP":    {&AWSKeys{CredentialsFile: file, Profile: "shop"}, "t2"},
		"AKIAENV":     {nil, "t3"},
	} {
		sasl := &SASL{Mechanism: mskIAM, AWS: test.keys}
		_, first, err := sasl.mechanism().Authenticate(t.Context(), broker)
		must(t, err)
		said := map[string]string{}
		must(t, json.Unmarshal(first, &said))
		if said["host"] != strings.TrimSuffix(broker, ":9098") || said["action"] != "kafka-cluster:Connect" || said["x-amz-security-token"] != test.token ||
			!strings.HasPrefix(said["x-amz-credential"], id+"/") || !strings.Contains(said["x-amz-credential"], "/eu-west-1/kafka-cluster/") {
			t.Errorf("%s: it says %v", id, said)
		}
	}
	for _, none := range []*AWSKeys{{CredentialsFile: file, Profile: "other"}, {CredentialsFile: file + "x"}} {
		if _, err := none.read(); err == nil {
			t.Errorf("%+v gives keys", none)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := (*AWSKeys)(nil).read(); err == nil {
		t.Error("half a key is enough")
	}
}

// tokenURL gives tokens to those who know the secret, and counts them.
func tokenURL(t *testing.T, token func() string) (url string, given *int) {
	given = new(int)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, ok := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		if !ok || id != "penstock" || secret != "s3cret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka" {
			w.WriteHeader(http.StatusUnauthorized)
			_, err := w.Write([]byte(`{"error":"invalid_client","error_description":"PAYLOAD"}`))
			must(t, err)
			return
		}
		*given++
		must(t, json.NewEncoder(w).Encode(map[string]any{"access_token": token(), "token_type": "Bearer", "expires_in": 3600}))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return s.URL, given
}

func TestClientCredentials(t *testing.T) {
	url, given := tokenURL(t, func() string { return "T" })
	client := &OAuthClient{TokenURL: url, ID: "penstock", Secret: "s3cret", Scopes: []string{"kafka"}}
	token := client.tokens()
	for range 3 {
		if text, err := token(); err != nil || text != "T" {
			t.Fatalf("got the token %q, %v", text, err)
		}
	}
	if *given != 1 {
		t.Errorf("%d tokens were asked for", *given)
	}
	client.Secret = "wr0ng"
	_, err := client.tokens()()
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "PAYLOAD") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("got the error %v", err)
	}
}
