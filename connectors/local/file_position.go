package local

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/penstock-io/penstock/pipeline"
)

// hashed is how many bytes of a file its fingerprint and its evidence cover.
const hashed = 1024

// fingerprint names the file by its beginning: "<bytes hashed>-<SHA-1>". It
// stays true while the file only grows.
func fingerprint(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	return fingerprintOf(file, min(info.Size(), hashed))
}

func fingerprintOf(file *os.File, n int64) (string, error) {
	sum, err := hashRange(file, 0, n)
	return fmt.Sprintf("%d-%s", n, sum), err
}

// hashBefore gives the SHA-1 of the bytes before offset; empty: there are none.
func hashBefore(file *os.File, offset int64) (string, error) {
	if offset == 0 {
		return "", nil
	}
	n := min(offset, hashed)
	return hashRange(file, offset-n, n)
}

func hashRange(file *os.File, from, n int64) (string, error) {
	h := sha1.New()
	read, err := io.Copy(h, io.NewSectionReader(file, from, n))
	if err == nil && read < n {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// continues tells whether the file is the one that p was committed for.
func continues(file *os.File, path string, p pipeline.Position) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	offset := int64(p.Offset.Minor)
	if info.Size() < offset {
		return shrunk(path, offset, info.Size())
	}
	var n int64
	if _, err := fmt.Sscanf(p.Incarnation, "%d-", &n); err != nil || n < 0 || n > hashed {
		return replaced(path, offset)
	}
	beginning, err := fingerprintOf(file, min(n, info.Size()))
	if err != nil {
		return err
	}
	before, err := hashBefore(file, offset)
	if err != nil {
		return err
	}
	if beginning != p.Incarnation || p.Evidence.Hash != "" && before != p.Evidence.Hash {
		return replaced(path, offset)
	}
	return nil
}

func shrunk(path string, committed, size int64) error {
	return &pipeline.Error{
		Class: pipeline.Gap,
		What:  fmt.Sprintf("%s has %d bytes, but %d were read already: it was cut short or replaced", path, size, committed),
		Do:    "put the old file back, or give the pipeline another name to read this one from its beginning",
	}
}

func replaced(path string, committed int64) error {
	return &pipeline.Error{
		Class: pipeline.Gap,
		What:  fmt.Sprintf("%s is not the file of which %d bytes were read: its contents before that place differ", path, committed),
		Do:    "put the old file back, or give the pipeline another name to read this one from its beginning",
	}
}

// storedPosition is what a position file holds, as JSON.
type storedPosition struct {
	Version     int    `json:"version"`
	Incarnation string `json:"incarnation"`
	Offset      uint64 `json:"offset"`
	Added       uint64 `json:"records"`
	Hash        string `json:"hash"`
}

const positionVersion = 1

// loadPosition reads a position file; nil: there is none.
func loadPosition(path string) (*pipeline.Position, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var stored storedPosition
	if err == nil {
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		err = strict.Decode(&stored)
	}
	if err == nil && stored.Version != positionVersion {
		err = fmt.Errorf("version %d is not known", stored.Version)
	}
	if err != nil {
		return nil, &pipeline.Error{
			Class: pipeline.Permanent, What: "cannot read the position file " + path, Err: err,
			Do: "repair it, or remove it to read from the beginning",
		}
	}
	return &pipeline.Position{
		Incarnation: stored.Incarnation,
		Offset:      pipeline.Offset{Minor: stored.Offset},
		Evidence:    pipeline.Evidence{Hash: stored.Hash, Added: stored.Added},
	}, nil
}

// savePosition replaces the position file: after a crash there is the old one
// or the new one.
func savePosition(path string, p pipeline.Position) error {
	raw, err := json.Marshal(storedPosition{
		Version: positionVersion, Incarnation: p.Incarnation,
		Offset: p.Offset.Minor, Added: p.Evidence.Added, Hash: p.Evidence.Hash,
	})
	if err == nil {
		err = replaceFile(path, append(raw, '\n'))
	}
	if err != nil {
		return &pipeline.Error{
			Class: pipeline.Retryable, What: "cannot keep the position of the file", Err: err,
			Do: "make room, allow writing there, or set position_file",
		}
	}
	return nil
}

func replaceFile(path string, content []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
