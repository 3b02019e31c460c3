//go:build unix

package cli

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// TestServeWhoAskedIsGone: a pipeline that is begun anew is, also where its plugin takes a while
// to start and nobody waits for the answer any more.
func TestServeWhoAskedIsGone(t *testing.T) {
	s := serveIn(t, t.TempDir())
	s.file("shop.yaml", fmt.Sprintf("name: shop\nsource: {generate: {rate: 10}, format: json}\ntransforms:\n  - plugin: {command: [%s], settings: {fields: [ua]}}\nsink: {drop: {}}\ndelivery: at_most_once\n", redactPath(t)))
	pipelinetest.Eventually(t, 20*time.Second, "it is there", func() bool { return s.status("shop").State == server.Running })
	since := s.status("shop").Since
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/pipelines/shop/restart", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r); err == nil {
		answer.Body.Close() //nolint:errcheck // it was faster than anybody is impatient
	}
	pipelinetest.Eventually(t, 20*time.Second, "it runs again", func() bool {
		now := s.status("shop")
		if now.State == server.Failed {
			t.Fatalf("it is %+v", now)
		}
		return now.State == server.Running && now.Since.After(since)
	})
}
