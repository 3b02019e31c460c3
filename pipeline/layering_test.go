package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/penstock-io/penstock/"

// A layer says what the packages below a folder may import of this module, and
// who else's code they may not.
type layer struct {
	folder string   // the longest that fits a package counts
	may    []string // folders of this module; "*": all
	never  []string // other import paths, with what is below them
	std    bool     // nothing but the standard library otherwise
}

// layers is the table of dependencies: they point inward, from cmd to pipeline.
var layers = []layer{
	{folder: "cmd", may: []string{"*"}},

	{folder: "pipeline", std: true, never: []string{"net", "net/http", "log"}},
	{folder: "pipeline/config", may: []string{"pipeline"}, never: []string{watermill, plugin, "net/http", "log"}},
	{folder: "pipeline/engine", may: []string{"pipeline", "pipeline/config"}, never: []string{plugin, yaml, "net", "net/http"}},
	{folder: "pipeline/engine/trial", may: []string{"pipeline", "pipeline/config", "pipeline/engine"}, never: []string{plugin, yaml, "net", "net/http"}},
	{folder: "pipeline/server", may: []string{"pipeline", "pipeline/config", "pipeline/engine"}, never: []string{watermill, plugin}},
	{folder: "pipeline/pipelinetest", may: []string{"pipeline"}, never: []string{watermill, plugin}},
	{folder: "pipeline/pipelinetest/cmd", may: []string{"pipeline/pipelinetest"}, never: []string{watermill, plugin}},

	{folder: "connectors", may: []string{"pipeline"}, never: []string{plugin, yaml}},
	{folder: "transforms", may: []string{"pipeline", "transforms/expr", "transforms/format"}, never: []string{watermill, plugin, yaml, "net/http", "log"}},
	{folder: "transforms/expr", may: []string{"pipeline"}, never: []string{watermill, plugin, yaml, "net/http", "log"}},
	{folder: "transforms/format", may: []string{"pipeline"}, never: []string{watermill, plugin, "net/http", "log"}},

	{folder: "transforms/format/registry", may: []string{"pipeline", "transforms/format"}, never: []string{watermill, plugin, yaml, "log"}},

	{folder: "plugins/wire", never: []string{watermill}},
	{folder: "plugins/sdk", may: []string{"plugins/wire", "pipeline", "pipeline/config"}, never: []string{watermill, yaml}},
	{folder: "plugins/host", may: []string{"plugins/wire", "pipeline"}, never: []string{watermill, yaml}},
	{folder: "plugins/examples", may: []string{"plugins/sdk", "pipeline"}},

	{folder: "configs", std: true},
}

const (
	watermill = "github.com/ThreeDotsLabs"
	plugin    = "github.com/hashicorp/go-plugin"
	yaml      = "go.yaml.in/yaml"
)

// pkg is what `go list` says of a package; tests are not part of Imports.
type pkg struct {
	ImportPath string
	Imports    []string
}

// TestDependenciesPointInward is the design's table of dependencies, kept.
func TestDependenciesPointInward(t *testing.T) {
	packages := list(t)
	if !slices.ContainsFunc(packages, func(p pkg) bool { return p.ImportPath == module+"pipeline" }) {
		t.Fatal("go list does not know package pipeline")
	}
	for _, p := range packages {
		for _, violation := range violations(p) {
			t.Error(violation)
		}
	}
}

// list gives all packages of the module, those with the build tag of end-to-end
// tests among them.
func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-tags", "e2e", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []pkg
	for from := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := from.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// violations says which imports of a package its layer does not allow.
func violations(p pkg) []string {
	path := strings.TrimPrefix(p.ImportPath, module)
	l, ok := layerOf(path)
	if !ok {
		return []string{path + " is in no layer: say in layering_test.go what it may import, or move it"}
	}
	var found []string
	for _, imported := range p.Imports {
		if why := l.refuses(path, imported); why != "" {
			found = append(found, fmt.Sprintf("%s imports %s: %s", path, strings.TrimPrefix(imported, module), why))
		}
	}
	return found
}

// layerOf gives the layer with the longest folder that holds the package.
func layerOf(path string) (layer, bool) {
	var best layer
	for _, l := range layers {
		if within(path, l.folder) && len(l.folder) > len(best.folder) {
			best = l
		}
	}
	return best, best.folder != ""
}

func (l layer) refuses(path, imported string) string {
	if of, ours := strings.CutPrefix(imported, module); ours {
		if slices.Contains(l.may, "*") || slices.Contains(l.may, of) || sameComponent(path, of) {
			return ""
		}
		return fmt.Sprintf("%s may import %s of this module", l.folder, orNothing(l.may))
	}
	for _, never := range l.never {
		if imported == never || strings.Contains(never, ".") && strings.HasPrefix(imported, never) || never == "log" && imported == "log/slog" {
			return fmt.Sprintf("%s never does that", l.folder)
		}
	}
	if first, _, _ := strings.Cut(imported, "/"); l.std && strings.Contains(first, ".") {
		return fmt.Sprintf("%s imports the standard library only", l.folder)
	}
	return ""
}

// sameComponent tells whether two packages lie in one component, such as
// connectors/kafka/…: those may share what they like.
func sameComponent(a, b string) bool {
	const depth = 2
	first, second := strings.Split(a, "/"), strings.Split(b, "/")
	return first[0] != "pipeline" && first[0] != "transforms" && len(first) >= depth && len(second) >= depth &&
		slices.Equal(first[:depth], second[:depth])
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func orNothing(folders []string) string {
	if len(folders) == 0 {
		return "nothing"
	}
	return "only " + strings.Join(folders, ", ")
}

// TestLayeringSeesViolations is the proof of the proof.
func TestLayeringSeesViolations(t *testing.T) {
	const kgo = "github.com/twmb/franz-go/pkg/kgo"
	for _, c := range []struct {
		from, imports string
		want          string // "": allowed
	}{
		{"pipeline", "strings", ""},
		{"pipeline", kgo, "pipeline imports the standard library only"},
		{"pipeline", "net", "pipeline never does that"},
		{"pipeline", module + "pipeline/engine", "pipeline may import nothing of this module"},
		{"pipeline/engine", module + "pipeline/config", ""},
		{"pipeline/engine", watermill + "/watermill/message", ""},
		{"pipeline/engine", module + "connectors/redis", "pipeline/engine may import only pipeline"},
		{"pipeline/engine", "net/http", "pipeline/engine never does that"},
		{"pipeline/engine", yaml + "/v4", "pipeline/engine never does that"},
		{"pipeline/config", module + "transforms", "pipeline/config may import only pipeline"},
		{"pipeline/server", watermill + "/watermill", "pipeline/server never does that"},
		{"connectors/redis", watermill + "/watermill-redisstream/pkg/redisstream", ""},
		{"connectors/redis", kgo, ""},
		{"connectors/redis", module + "connectors/kafka", "connectors may import only pipeline"},
		{"connectors/redis", module + "connectors/redis/internal/script", ""},
		{"connectors/redis", module + "pipeline/pipelinetest", "connectors may import only pipeline"},
		{"connectors/kafka", module + "transforms", "connectors may import only pipeline"},
		{"transforms", module + "transforms/format", ""},
		{"transforms", "log/slog", "transforms never does that"},
		{"transforms/format", module + "transforms", "transforms/format may import only pipeline"},
		{"plugins/host", plugin, ""},
		{"connectors/redis", plugin, "connectors never does that"},
		{"plugins/host", module + "connectors/kafka", "plugins/host may import only plugins/wire, pipeline"},
		{"cmd/penstock/cli", module + "connectors/kafka", ""},
		{"cmd/bench", watermill + "/watermill-kafka/v3/pkg/kafka", ""},
		{"internal/misc", "strings", "internal/misc is in no layer"},
	} {
		got := strings.Join(violations(pkg{module + c.from, []string{c.imports}}), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s → %s: got %q, want %q", c.from, c.imports, got, c.want)
		}
	}
}
