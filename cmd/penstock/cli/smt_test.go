package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const (
	smtFile   = "testdata/smt.yaml"
	smtReadme = "../../../transforms/README.md"
	smtBegin  = "<!-- made by go test ./cmd/penstock/cli -run SMT -update -->\n"
	smtEnd    = "<!-- the end of it -->"
)

// TestSMTs runs the tests of each row of the table that says how Kafka Connect's
// transformations are written here, and holds the table against them.
func TestSMTs(t *testing.T) {
	got := penstock(t, "test", smtFile)
	if got.code != 0 {
		t.Errorf("%s%s", got.out, got.errOut)
	}
	marked(t, smtReadme, smtBegin, smtEnd, smtTable(t))
}

// smtTable is the table of the rows, as Markdown.
func smtTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(smtFile)
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	s.WriteString("| Kafka Connect | here, under `transforms:` |\n|---|---|\n")
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var row struct {
			Name string `yaml:"name"`
		}
		if err := yaml.Load(document, &row); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(document), "\ntransforms:\n")
		steps, _, ok := strings.Cut(rest, "\ntests:\n")
		if !ok {
			t.Fatalf("%s has no tests", row.Name)
		}
		var lines []string
		for line := range strings.Lines(steps) {
			lines = append(lines, "`"+strings.ReplaceAll(strings.TrimSpace(line), "|", "\\|")+"`")
		}
		fmt.Fprintf(&s, "| %s | %s |\n", strings.ReplaceAll(row.Name, "-", " "), strings.Join(lines, "<br>"))
	}
	return s.String()
}
