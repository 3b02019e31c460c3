package cli

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

const (
	referenceBegin = "<!-- what penstock components says; made by go test ./cmd/penstock/cli -run Readmes -update -->\n"
	referenceEnd   = "<!-- the end of what it says -->"
)

// TestReadmesSayWhatComponentsDo: the references in the READMEs are the texts of penstock
// components.
func TestReadmesSayWhatComponentsDo(t *testing.T) {
	catalog := BuiltIn().catalog()
	for readme, components := range map[string][][]config.Component{
		"../../../transforms/README.md": {catalog.Transforms, catalog.Formats},
		"../../../connectors/README.md": {catalog.Sources, catalog.Sinks},
	} {
		var s strings.Builder
		seen := map[string]bool{}
		for _, kind := range components {
			for _, c := range kind {
				if seen[c.Name] {
					continue // a source and a sink of one name are shown together
				}
				seen[c.Name] = true
				s.WriteString("\n### " + c.Name + "\n\n```text\n")
				if err := config.Reference(&s, catalog, c.Name); err != nil {
					t.Fatal(err)
				}
				s.WriteString("```\n")
			}
		}
		marked(t, readme, referenceBegin, referenceEnd, s.String())
	}
}

// marked wants a file to say something between two marks; with -update it says so
// afterwards.
func marked(t *testing.T, name, begin, end, want string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, also := strings.Cut(rest, end)
	switch {
	case !ok || !also:
		t.Fatalf("%s has lost its marks %q and %q", name, begin, end)
	case flag.Lookup("update").Value.String() == "true":
		if err := os.WriteFile(name, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	case got != want:
		t.Errorf("%s does not say what it should between its marks; run this test with -update", name)
	}
}
