package main

import (
	"context"
	_ "embed" // for the script
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// articleScript is what Penstock replaces.
//
//go:embed article.py
var articleScript []byte

// articlePackages are the versions of the clients that the script imports.
var articlePackages = []string{"redis==8.1.0", "kafka-python==3.0.12"}

// article is the script, ready to run.
type article struct {
	python string // of a venv with the clients
	script string
}

// newArticle writes the script to dir and makes a venv for it under the cache,
// unless an earlier run has made it. It needs python3 with venv, and PyPI.
func newArticle(ctx context.Context, cache, dir string) (*article, error) {
	a := &article{script: filepath.Join(dir, "article.py")}
	if err := os.WriteFile(a.script, articleScript, 0o600); err != nil {
		return nil, err
	}
	python, err := venv(ctx, filepath.Join(cache, "venv"), "import redis, kafka", articlePackages...)
	if err != nil {
		return nil, fmt.Errorf("the article's script: %w", err)
	}
	a.python = python
	return a, nil
}

// venv gives the Python of a venv with packages, which is made unless an earlier run
// has: the probe tells. It needs python3 with venv, and PyPI.
func venv(ctx context.Context, dir, probe string, packages ...string) (python string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	python = filepath.Join(dir, "bin", "python")
	if run(ctx, python, "-c", probe) == nil {
		return python, nil
	}
	if err := run(ctx, "python3", "-m", "venv", "--clear", dir); err != nil {
		return "", fmt.Errorf("a venv (apt-get install python3-venv): %w", err)
	}
	return python, run(ctx, python, append([]string{"-m", "pip", "install", "--quiet"}, packages...)...)
}

// run runs a program to its end; an error holds what the program said.
func run(ctx context.Context, name string, args ...string) error {
	said, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return nil
}
