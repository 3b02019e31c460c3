package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// namePrefix begins the names of programs that settings call by name.
const namePrefix = "penstock-plugin-"

func isDigest(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == sha256.Size
}

// program is what is executed for a plugin.
type program struct {
	path  string   // absolute
	args  []string // without the program
	files []string // the program, where it was named by a path, and the files among args, in this order
}

// find looks for the program that settings name, from a folder on. Errors: Permanent.
func find(s Settings, dir string) (*program, error) {
	command := s.Command
	if s.Name != "" {
		command = []string{namePrefix + s.Name}
	}
	p := &program{args: command[1:]}
	name := command[0]
	if !strings.ContainsRune(name, filepath.Separator) {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, missing(name, "it is not in PATH", "install it there, or write its path")
		}
		p.path = path
		if s.Name != "" {
			p.files = []string{path}
		}
	} else {
		p.path = inside(dir, name)
		p.files = []string{p.path}
	}
	info, err := os.Stat(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing(name, "there is no such file: "+p.path, "build it, or mend command; paths begin at the folder of the pipeline file")
	case err != nil:
		return nil, missing(name, err.Error(), "see who may read it")
	case info.IsDir() || info.Mode()&0o111 == 0:
		return nil, missing(name, p.path+" is not executable", "say chmod +x, or name an interpreter before it")
	}
	for _, arg := range p.args {
		if info, err := os.Stat(inside(dir, arg)); err == nil && info.Mode().IsRegular() {
			p.files = append(p.files, inside(dir, arg))
		}
	}
	for _, file := range p.files {
		if info, err := os.Stat(file); err == nil && info.Mode()&0o002 != 0 {
			return nil, missing(name, file+" may be written by everybody", "say chmod o-w")
		}
	}
	return p, nil
}

func missing(name, why, do string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: "plugin " + name + ": " + why, Do: do}
}

func inside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// digest is what is pinned: the SHA-256 of the only file, or that of lines as sha256sum
// writes them, with the base names, where there are several.
func (p *program) digest() (string, error) {
	var lines bytes.Buffer
	last := ""
	for _, name := range p.files {
		sum, err := digestOf(name)
		if err != nil {
			return "", missing(filepath.Base(p.path), err.Error(), "see who may read it")
		}
		last = sum
		fmt.Fprintf(&lines, "%s  %s\n", sum, filepath.Base(name))
	}
	switch len(p.files) {
	case 0:
		return "", missing(filepath.Base(p.path), "there is no file to take the SHA-256 of", "name the program by its path")
	case 1:
		return last, nil
	}
	sum := sha256.Sum256(lines.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

func digestOf(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// pinned gives what is to be executed where the files have the digest that is wanted: of
// a binary a copy in a folder of its own, so that what is executed is what was looked at.
// A script is executed where it is: what it imports lies beside it. So it is looked at again
// when it runs: see checked.
func (p *program) pinned(want, tmp string) (string, error) {
	if want == "" {
		return p.path, nil
	}
	path, checked := p.path, *p
	if len(p.files) > 0 && p.files[0] == p.path && isBinary(p.path) {
		path = filepath.Join(tmp, filepath.Base(p.path))
		if err := copyFile(path, p.path); err != nil {
			return "", missing(filepath.Base(p.path), err.Error(), "see whether the folder for temporary files is full")
		}
		checked.files = append([]string{path}, p.files[1:]...)
	}
	return path, checked.checked(want)
}

// checked wants the files to have a digest. It is asked before a process is started and once
// it is: what a script's interpreter has read in between was not something else.
func (p *program) checked(want string) error {
	if want == "" {
		return nil
	}
	got, err := p.digest()
	if err == nil && !strings.EqualFold(got, want) {
		err = missing(filepath.Base(p.path), "its SHA-256 is "+got+", and sha256 says "+want, "if that is as it should be, write what penstock plugin verify says")
	}
	return err
}

// isBinary tells whether a file is no script.
func isBinary(name string) bool {
	file, err := os.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	start := make([]byte, 2)
	_, err = io.ReadFull(file, start)
	return err == nil && string(start) != "#!"
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
