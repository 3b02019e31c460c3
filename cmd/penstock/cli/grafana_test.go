//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestGrafanaNamesWhatThereIs: each metric that the dashboard and the alerts name is one that
// a server gives, with the labels that they name.
func TestGrafanaNamesWhatThereIs(t *testing.T) {
	s := serveIn(t, t.TempDir())
	s.file("all.yaml", fmt.Sprintf("name: shop\nsource: {generate: {rate: 100}, format: json}\ntransforms:\n  - dedupe: {key: value.event_id, within: 1m}\n  - plugin: {command: [%s], settings: {fields: [ua]}}\nsink: {drop: {}}\ndelivery: at_most_once\n", redactPath(t)))
	pipelinetest.Eventually(t, 20*time.Second, "it runs", func() bool { return s.status("shop").Figures.Written > 0 })
	_, metrics := get(t, s.url+"/metrics")
	labels := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(penstock_\w+)\{([^}]*)\}`).FindAllStringSubmatch(metrics, -1) {
		labels[m[1]] = m[2]
	}
	used := regexp.MustCompile(`(penstock_[a-z_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)=~?"`)
	for _, name := range []string{"penstock.json", "alerts.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "configs", "grafana", name))
		if err != nil {
			t.Fatal(err)
		}
		var whole any
		if strings.HasSuffix(name, ".json") {
			err = json.Unmarshal(text, &whole)
		} else {
			err = yaml.Unmarshal(text, &whole)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		n := 0
		for _, expr := range expressions(whole) {
			for _, m := range used.FindAllStringSubmatch(expr, -1) {
				n++
				has, known := labels[m[1]]
				if !known {
					t.Errorf("%s names %s, which no server gives", name, m[1])
				}
				for _, l := range label.FindAllStringSubmatch(m[2], -1) {
					if !strings.Contains(","+has, ","+l[1]+"=") {
						t.Errorf("%s names the label %s of %s, which has %s", name, l[1], m[1], has)
					}
				}
			}
			if open := strings.Count(expr, "(") - strings.Count(expr, ")"); open != 0 {
				t.Errorf("%s: %s has unequal parentheses", name, expr)
			}
		}
		if n < 5 {
			t.Errorf("%s names %d metrics", name, n)
		}
	}
}

// expressions gives the texts under keys expr and query, wherever they stand.
func expressions(value any) (all []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, inside := range v {
			if text, ok := inside.(string); ok && (key == "expr" || key == "query") {
				all = append(all, text)
			}
			all = append(all, expressions(inside)...)
		}
	case []any:
		for _, inside := range v {
			all = append(all, expressions(inside)...)
		}
	}
	return all
}
