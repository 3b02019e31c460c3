package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// TestOwnBinary does what connectors/README.md tells those who build a binary of their
// own: the very files, in an empty folder, and the very commands.
func TestOwnBinary(t *testing.T) {
	dir, commands := ownFolder(t)
	if got, want := command(t, dir, "sh", "-eu", "-c", commands), "> HELLO, ADA!!\n> HELLO, GRACE!!\n"; got != want {
		t.Errorf("the commands: %q, want %q", got, want)
	}
	hello := filepath.Join(dir, "hello")
	if got := command(t, dir, hello, "version"); !strings.HasPrefix(got, "hello ") || !strings.Contains(got, "(penstock 0.0.0, go") {
		t.Errorf("version: %q", got)
	}
	if got := command(t, dir, hello, "--help"); !strings.Contains(got, "\n  hello [command]\n") || !strings.Contains(got, "\n  hello run ") || strings.Contains(got, "  penstock ") {
		t.Errorf("the help:\n%s", got)
	}
	list := command(t, dir, hello, "components")
	for _, line := range []string{"greetings         A greeting for each name.", "shout             Writes texts in capitals.", "print             A line a record on standard output.", "redis_list "} {
		if !strings.Contains(list, "\n  "+line) {
			t.Errorf("components does not list %q:\n%s", line, list)
		}
	}
	if got, want := command(t, dir, hello, "validate", "hello.yaml"), "hello.yaml: hello is valid: greetings → print, at_least_once\n"; got != want {
		t.Errorf("validate: %q, want %q", got, want)
	}
	tests := command(t, dir, "go", "test", "-v", ".")
	for _, subtest := range []string{"TestGreetings/reads_all_in_order", "TestShout/takes_an_empty_batch", "TestPrint/delivers_by_fate"} {
		if !strings.Contains(tests, "--- PASS: "+subtest+" ") {
			t.Errorf("the suites did not run %s:\n%s", subtest, tests)
		}
	}
}

// ownFolder writes the files of the README into an empty folder, and gives the commands,
// which name this checkout.
func ownFolder(t *testing.T) (dir, commands string) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	readme := read(t, filepath.Join(root, "connectors", "README.md"))
	_, own, found := strings.Cut(readme, "## Your own binary\n")
	if !found || len(blocks(own, "sh")) != 1 || len(blocks(own, "go")) != 2 || len(blocks(own, "yaml")) != 1 {
		t.Fatal("connectors/README.md does not show the commands, main.go, main_test.go and hello.yaml of one's own binary")
	}
	commands = blocks(own, "sh")[0]
	const checkout = "=../penstock\n"
	if strings.Count(commands, checkout) != 1 {
		t.Fatalf("the commands do not say once where the checkout is (%q):\n%s", checkout, commands)
	}
	dir = t.TempDir()
	for name, text := range map[string]string{"main.go": blocks(own, "go")[0], "hello.yaml": blocks(own, "yaml")[0], "main_test.go": blocks(own, "go")[1]} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, strings.Replace(commands, checkout, "='"+root+"'\n", 1)
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

// command runs a program and gives its output. What go needs and the module cache lacks
// comes as the environment says. No sums are asked for: those of Penstock's own go.sum
// were held against the same modules when they came into the cache.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var errOut strings.Builder
	cmd.Dir, cmd.Stderr = dir, &errOut
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+raceFlag(), "GOSUMDB=off", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", filepath.Base(name), args, err, out, errOut.String())
	}
	return string(out)
}

// raceFlag makes the build use the packages that were compiled for this test.
func raceFlag() string {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return " -race"
		}
	}
	return ""
}
