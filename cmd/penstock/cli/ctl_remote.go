package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/server"
)

// remote is a server that is driven.
type remote struct {
	server, ca string
}

// callPatience is how long an answer may take: a change waits until the other pipeline has
// started.
const callPatience = time.Minute

// get asks for something that is JSON.
func (r *remote) get(ctx context.Context, path string, into any) error {
	text, err := r.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// refusal is an answer that says why not.
type refusal struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

func (r *refusal) Error() string {
	lines := []string{cmp.Or(r.Detail, r.Title)}
	for _, e := range r.Errors {
		lines = append(lines, e.Location+": "+e.Message)
	}
	return printable(strings.Join(lines, "\n"))
}

// call sends a request, and gives what it is answered with. Errors: Unreachable where nobody
// answers, invalid where what was sent is wrong.
func (r *remote) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	at := strings.TrimSuffix(cmp.Or(r.server, os.Getenv(ServerEnv), "http://127.0.0.1:8083"), "/")
	request, err := http.NewRequestWithContext(ctx, method, at+path, bytes.NewReader(body))
	if err != nil {
		return nil, invalid{fmt.Errorf("--server: %w", err)}
	}
	request.Header.Set("Content-Type", "application/yaml")
	if token := os.Getenv(TokenEnv); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client, err := r.client()
	if err != nil {
		return nil, invalid{fmt.Errorf("--ca: %w", err)}
	}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, &pipeline.Error{Class: pipeline.Unreachable, What: "the server at " + at + " does not answer", Err: err, Do: "start one with penstock serve, or name it with --server"}
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 300 {
		return text, nil
	}
	return nil, refused(answer.Status, answer.StatusCode, text)
}

func refused(status string, code int, text []byte) error {
	why := &refusal{Title: status}
	json.Unmarshal(text, why) //nolint:errcheck // something between may have answered: the status says enough
	if code == http.StatusUnprocessableEntity || code == http.StatusUnauthorized || code == http.StatusForbidden {
		return invalid{why}
	}
	return why
}

func (r *remote) client() (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if r.ca != "" {
		pem, err := os.ReadFile(r.ca)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New(r.ca + " holds no certificate")
		}
	}
	return &http.Client{Transport: transport}, nil
}

// apply adds a pipeline, or gives it another text.
func (r *remote) apply(ctx context.Context, text []byte, state string) (status server.Status, err error) {
	var says struct {
		Name string `yaml:"name"`
	}
	if err := yaml.Unmarshal(text, &says); err != nil || says.Name == "" {
		return status, invalid{errors.New("this is no pipeline with a name; penstock validate tells more")}
	}
	answer, err := r.call(ctx, http.MethodPut, pathOf(says.Name), text)
	if why, ok := errors.AsType[*refusal](err); ok && why.Status == http.StatusNotFound {
		answer, err = r.call(ctx, http.MethodPost, "/v1/pipelines?state="+url.QueryEscape(state), text)
	}
	if err != nil {
		return status, err
	}
	return status, json.Unmarshal(answer, &status)
}
