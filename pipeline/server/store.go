package server

import (
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Stored is what a server remembers of a pipeline.
type Stored struct {
	Name string `json:"name"`
	// Text is its YAML, with its secrets; empty where a file of the folder has it.
	Text     string    `json:"text,omitempty"`
	Flat     bool      `json:"flat,omitempty"` // it was given as flat keys, and is shown so to clients of Connect
	Wanted   State     `json:"wanted"`         // Running, Paused or Stopped
	Revision uint64    `json:"revision"`
	Changed  time.Time `json:"changed"`
}

// Store keeps the pipelines of a server over its restarts. Its methods may be called at
// once; what Put and Delete have returned from lasts.
type Store interface {
	// All gives all there are, by name.
	All() ([]Stored, error)
	Put(s Stored) error
	// Delete forgets a pipeline; there may be none.
	Delete(name string) error
	Close() error
}

// Bolt is a Store in a file (bbolt), which one process at a time may have open. A version
// number stands in every record.
type Bolt struct{ db *bbolt.DB }

var _ Store = (*Bolt)(nil)

// bucket holds the pipelines, by name.
var bucket = []byte("pipelines")

// storeVersion is that of what is stored.
const storeVersion = 1

// storePatience is how long another process may still have the file.
const storePatience = 5 * time.Second

// OpenBolt opens a file, and makes it where there is none. The caller closes it.
func OpenBolt(path string) (*Bolt, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: storePatience})
	if err != nil {
		return nil, fmt.Errorf("the store %s: %w (another server may have it open)", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		db.Close() //nolint:errcheck // it is of no use
		return nil, fmt.Errorf("the store %s: %w", path, err)
	}
	return &Bolt{db}, nil
}

// versioned is a record of the file.
type versioned struct {
	Version int `json:"version"`
	Stored
}

// All gives all there are, by name.
func (b *Bolt) All() (all []Stored, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(name, text []byte) error {
			var v versioned
			if err := json.Unmarshal(text, &v); err != nil {
				return fmt.Errorf("the store, pipeline %s: %w", name, err)
			}
			if v.Version != storeVersion {
				return fmt.Errorf("the store, pipeline %s: version %d is of another Penstock; this one knows %d", name, v.Version, storeVersion)
			}
			all = append(all, v.Stored)
			return nil
		})
	})
	return all, err
}

// Put keeps a pipeline, on the disk when it returns.
func (b *Bolt) Put(s Stored) error {
	text, err := json.Marshal(versioned{storeVersion, s})
	if err != nil {
		return err
	}
	return b.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(s.Name), text) })
}

// Delete forgets a pipeline.
func (b *Bolt) Delete(name string) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Delete([]byte(name)) })
}

// Close closes the file.
func (b *Bolt) Close() error { return b.db.Close() }
