//go:build e2e && unix

package configs_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const helmVersion = "v3.19.4"

// helm runs helm, which is built into the cache unless an earlier run has.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, ".cache", "bin", "helm-"+helmVersion)
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		build := exec.CommandContext(t.Context(), "go", "install", "helm.sh/helm/v3/cmd/helm@"+helmVersion)
		build.Env = append(os.Environ(), "GOBIN="+filepath.Join(root, ".cache", "bin", "helm-build"), "GOFLAGS=")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := os.Rename(filepath.Join(root, ".cache", "bin", "helm-build", "helm"), program); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	return string(out), err
}

const allValues = `
pipelines:
  user-behavior: |
    name: user-behavior
    source: {redis_list: {url: "${REDIS_URL}", keys: [user_behavior]}, format: json}
    sink: {kafka: {brokers: ["${KAFKA_BROKERS}"], topic: user_behavior_topic}}
drains:
  nightly: {schedule: "15 2 * * *", pipeline: "name: nightly\n"}
envFrom: [{secretRef: {name: penstock-env}}]
tokensSecret: penstock-tokens
tlsSecret: penstock-tls
serviceMonitor: {enabled: true, tokenSecret: penstock-metrics}
store: {persistent: true}
networkPolicy:
  from: [{podSelector: {matchLabels: {app: prometheus}}}]
  to: [{ipBlock: {cidr: 10.0.0.0/8}}]
`

// TestChart: helm finds nothing wrong with the chart, and what it renders is what it should be.
func TestChart(t *testing.T) {
	chart, values := filepath.Join("helm", "penstock"), filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte(allValues), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		args  []string
		kinds []string
		holds []string
		lacks []string
	}{
		{"defaults", nil, []string{"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget"}, []string{"- serve"}, []string{"--remote", "containerPort", "kind: Service\n"}},
		{"everything", []string{"-f", values}, []string{"ConfigMap", "ConfigMap", "CronJob", "Deployment", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service", "ServiceMonitor"},
			[]string{"--remote", "--tokens=/etc/penstock/tokens/tokens", "--tls-cert=/etc/penstock/tls/tls.crt", "scheme: HTTPS", "--until-drained", `schedule: "15 2 * * *"`, "cidr: 10.0.0.0/8", "key: token"}, []string{"--plain"}},
		{"TLS in front", []string{"--set", "tokensSecret=t"}, []string{"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}, []string{"--plain", "scheme: HTTP}"}, []string{"--tls-cert"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if out, err := helm(t, append([]string{"lint", "--strict", "--kube-version", "1.31", chart}, tc.args...)...); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			out, err := helm(t, append([]string{"template", "shop", chart, "--kube-version", "1.31"}, tc.args...)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var kinds []string
			for _, object := range objects(t, out) {
				kinds = append(kinds, object["kind"].(string))
				safe(t, object)
			}
			if slices.Sort(kinds); !slices.Equal(kinds, tc.kinds) {
				t.Errorf("it renders %v, want %v", kinds, tc.kinds)
			}
			for _, text := range tc.holds {
				if !strings.Contains(out, text) {
					t.Errorf("there is no %q in\n%s", text, out)
				}
			}
			for _, text := range tc.lacks {
				if strings.Contains(out, text) {
					t.Errorf("there is %q in\n%s", text, out)
				}
			}
		})
	}
	if out, err := helm(t, "template", "shop", chart, "--kube-version", "1.31", "--set", "replicas=2,store.persistent=true"); err == nil || !strings.Contains(out, "store.persistent is for one replica") {
		t.Errorf("%v\n%s", err, out)
	}
}

// objects reads what was rendered.
func objects(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	in := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var object map[string]any
		err := in.Decode(&object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if object != nil {
			all = append(all, object)
		}
	}
}

// safe looks at each container: nobody is root, and nothing can be written but volumes.
func safe(t *testing.T, value any) {
	t.Helper()
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for _, inside := range object {
		safe(t, inside)
	}
	containers, ok := object["containers"].([]any)
	if !ok {
		return
	}
	pod, _ := object["securityContext"].(map[string]any)
	if pod["runAsNonRoot"] != true || object["automountServiceAccountToken"] != false {
		t.Errorf("the pod is not safe: %v", pod)
	}
	for _, c := range containers {
		own, _ := c.(map[string]any)["securityContext"].(map[string]any)
		if own["readOnlyRootFilesystem"] != true || own["allowPrivilegeEscalation"] != false {
			t.Errorf("the container is not safe: %v", own)
		}
	}
}
