package pipeline_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shown are the folders whose packages third parties import, and root is where they lie;
// programs, and what is internal, are not theirs.
var shown = []string{"connectors", "transforms", "plugins", "pipeline", "cmd/penstock/cli"}

const root = ".."

// unshown are the exported functions that need no example, by package and name
// ("plugins/sdk.Serve"), each with its reason. So far there is none.
var unshown = map[string]string{}

// TestEveryFunctionHasAnExample keeps the documentation: who looks a function up finds how
// it is called, in code that runs.
func TestEveryFunctionHasAnExample(t *testing.T) {
	var without []string
	seen := 0
	for _, folder := range shown {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || !d.IsDir():
				return err
			case d.Name() == "internal" || d.Name() == "testdata":
				return filepath.SkipDir
			}
			p, err := documented(path)
			if err != nil || p == nil {
				return err
			}
			seen += len(functions(p))
			for _, name := range withoutExample(p) {
				without = append(without, strings.TrimPrefix(p.ImportPath, module)+"."+name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < fewest {
		t.Errorf("only %d exported functions are found: what is shown has moved", seen)
	}
	for _, problem := range examplesMissing(without, unshown) {
		t.Error(problem)
	}
}

// fewest is how many functions there are surely.
const fewest = 100

// examplesMissing compares the functions that have no example with those that need none.
func examplesMissing(without []string, may map[string]string) []string {
	var problems []string
	for _, name := range without {
		if may[name] == "" {
			problems = append(problems, fmt.Sprintf("%s has no example that runs: write func Example%s with its Output, or say in unshown why there is none", name, name[strings.LastIndex(name, ".")+1:]))
		}
	}
	for name := range may {
		if !slices.Contains(without, name) {
			problems = append(problems, name+" has an example, or is gone: take it out of unshown")
		}
	}
	slices.Sort(problems)
	return problems
}

// documented gives what the documentation of the package in a folder holds, with the examples
// of its tests, those of end-to-end tests among them; nil: there is none, or it is a program.
func documented(folder string) (*doc.Package, error) {
	built := build.Default
	built.GOOS, built.BuildTags = "linux", []string{"e2e"} // the same everywhere
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	positions, library := token.NewFileSet(), false
	for _, name := range names {
		if fits, err := built.MatchFile(folder, filepath.Base(name)); err != nil || !fits {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(positions, name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		if file.Name.Name == "main" {
			return nil, nil //nolint:nilnil // nil is an answer here
		}
		library = library || !strings.HasSuffix(name, "_test.go")
		files = append(files, file)
	}
	if !library {
		return nil, nil //nolint:nilnil // nil is an answer here
	}
	path := strings.TrimPrefix(filepath.ToSlash(folder), root+"/")
	return doc.NewFromFiles(positions, files, module+path)
}

// functions gives the exported functions of a package, methods not among them, each with the
// examples that show it: its own, and those of the type that it makes, where they call it.
func functions(p *doc.Package) map[string][]*doc.Example {
	all := map[string][]*doc.Example{}
	for _, f := range p.Funcs {
		all[f.Name] = f.Examples
	}
	for _, made := range p.Types {
		for _, f := range made.Funcs {
			all[f.Name] = f.Examples
			for _, e := range made.Examples {
				if calls(e, f.Name) {
					all[f.Name] = append(all[f.Name], e)
				}
			}
		}
	}
	return all
}

// calls tells whether an example names a function of another package.
func calls(e *doc.Example, name string) bool {
	found := false
	ast.Inspect(e.Code, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		found = found || ok && selector.Sel.Name == name
		return !found
	})
	return found
}

// withoutExample gives those of the functions that no example shows.
func withoutExample(p *doc.Package) []string {
	var without []string
	for name, examples := range functions(p) {
		if !slices.ContainsFunc(examples, runs) {
			without = append(without, name)
		}
	}
	slices.Sort(without)
	return without
}

// runs tells whether an example says what it prints: else it is compiled only.
func runs(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }

// TestMissingExamplesAreSeen is the proof of the proof.
func TestMissingExamplesAreSeen(t *testing.T) {
	const library = `package p
type Made struct{}
func NewMade() *Made { return nil }
func (*Made) Do() {}
func Alone() {}
func hidden() {}`
	for name, tc := range map[string]struct{ tests, want string }{
		"by their names":          {"func ExampleNewMade() {\n// Output:\n}\nfunc ExampleAlone() {\n// Output:\n}", ""},
		"by the type":             {"func ExampleMade() {\np.NewMade()\n// Output:\n}\nfunc ExampleAlone_twice() {\n// Output:\n}", ""},
		"by the type, not called": {"func ExampleMade() {\np.Alone()\n// Output:\n}\nfunc ExampleAlone() {\n// Output:\n}", "NewMade"},
		"by a method of it":       {"func ExampleMade_Do() {\np.NewMade()\n// Output:\n}\nfunc ExampleAlone() {\n// Output:\n}", "NewMade"},
		"one that does not run":   {"func ExampleNewMade() {\n// Output:\n}\nfunc ExampleAlone() {\n}", "Alone"},
		"of another name":         {"func ExampleNewMade() {\n// Output:\n}\nfunc ExampleAlones() {\n// Output:\n}", "Alone"},
		"of what is hidden":       {"func ExampleNewMade() {\n// Output:\n}\nfunc Examplehidden() {\n// Output:\n}", "Alone"},
		"none":                    {"", "Alone NewMade"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for file, text := range map[string]string{"p.go": library, "p_test.go": "package p_test\n" + tc.tests} {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p, err := documented(folder)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(withoutExample(p), " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	problems := examplesMissing([]string{"p.A", "p.B"}, map[string]string{"p.B": "it has a reason", "p.C": "it has an example by now"})
	if len(problems) != 2 || !strings.HasPrefix(problems[0], "p.A has no example") || !strings.HasPrefix(problems[1], "p.C has an example") {
		t.Errorf("got %q", problems)
	}
}
