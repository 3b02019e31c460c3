package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// TestOwnBinary builds and runs what connectors/README.md shows to those who build
// a binary of their own: the very text, in a module of its own.
func TestOwnBinary(t *testing.T) {
	dir := ownModule(t)
	hello := filepath.Join(dir, "hello")
	command(t, dir, "go", append(append([]string{"build"}, raceFlag()...), "-o", hello, ".")...)

	list := command(t, dir, hello, "components")
	for _, line := range []string{"greetings         A greeting for each name.", "shout             Writes texts in capitals.", "print             A line a record on standard output.", "redis_list "} {
		if !strings.Contains(list, "\n  "+line) {
			t.Errorf("components does not list %q:\n%s", line, list)
		}
	}
	if got, want := command(t, dir, hello, "validate", "hello.yaml"), "hello.yaml: hello is valid: greetings → print, at_least_once\n"; got != want {
		t.Errorf("validate: %q, want %q", got, want)
	}
	if got, want := command(t, dir, hello, "run", "--until-drained", "hello.yaml"), "> HELLO, ADA!!\n> HELLO, GRACE!!\n"; got != want {
		t.Errorf("run: %q, want %q", got, want)
	}
	tests := command(t, dir, "go", append(append([]string{"test", "-v"}, raceFlag()...), ".")...)
	for _, subtest := range []string{"TestGreetings/reads_all_in_order", "TestShout/takes_an_empty_batch", "TestPrint/delivers_by_fate"} {
		if !strings.Contains(tests, "--- PASS: "+subtest+" ") {
			t.Errorf("the suites did not run %s:\n%s", subtest, tests)
		}
	}
}

// ownModule writes the files of the README into a module that stands on this
// checkout, with its versions and sums.
func ownModule(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	readme := read(t, filepath.Join(root, "connectors", "README.md"))
	_, own, found := strings.Cut(readme, "## Your own binary\n")
	if !found || len(blocks(own, "go")) != 2 || len(blocks(own, "yaml")) != 1 {
		t.Fatal("connectors/README.md does not show main.go, main_test.go and hello.yaml of one's own binary")
	}
	const module = "module github.com/penstock-io/penstock\n"
	mod := read(t, filepath.Join(root, "go.mod"))
	if !strings.Contains(mod, module) {
		t.Fatalf("go.mod does not hold %q", module)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": strings.Replace(mod, module, "module example.com/hello\n", 1) +
			"\nrequire github.com/penstock-io/penstock v0.0.0\nreplace github.com/penstock-io/penstock => " + root + "\n",
		"go.sum":       read(t, filepath.Join(root, "go.sum")),
		"main.go":      blocks(own, "go")[0],
		"hello.yaml":   blocks(own, "yaml")[0],
		"main_test.go": blocks(own, "go")[1],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// blocks gives the blocks of code in a language.
func blocks(markdown, language string) []string {
	var all []string
	for {
		_, text, begun := strings.Cut(markdown, "\n```"+language+"\n")
		text, rest, ended := strings.Cut(text, "\n```\n")
		if !begun || !ended {
			return all
		}
		all, markdown = append(all, text+"\n"), "\n"+rest
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// command runs a program, without a network for go, and gives its output.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var errOut strings.Builder
	cmd.Dir, cmd.Stderr = dir, &errOut
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", filepath.Base(name), args, err, out, errOut.String())
	}
	return string(out)
}

// raceFlag makes the build use the packages that were compiled for this test.
func raceFlag() []string {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return []string{"-race"}
		}
	}
	return nil
}
