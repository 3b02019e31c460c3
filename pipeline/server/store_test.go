package server_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/server"
)

// TestBolt: what was put is there after the file was opened again, the newest of each name.
func TestBolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "penstock.db")
	open := func() *server.Bolt {
		t.Helper()
		b, err := server.OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []server.Stored{
		{Name: "b", Text: "name: b", Wanted: server.Running, Revision: 1, Changed: at}, {Name: "a", Wanted: server.Paused},
		{Name: "b", Text: "name: b # again", Wanted: server.Stopped, Revision: 2, Changed: at}, {Name: "c", Wanted: server.Running},
	} {
		if err := b.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // there is none the second time
		if err := b.Delete("c"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open()
	defer b.Close() //nolint:errcheck // a test
	got, err := b.All()
	want := []server.Stored{{Name: "a", Wanted: server.Paused}, {Name: "b", Text: "name: b # again", Wanted: server.Stopped, Revision: 2, Changed: at}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: got %+v, want %+v", err, got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestBoltThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no store of anybody. ", 4000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.OpenBolt(path); err == nil || !strings.Contains(err.Error(), "the store "+path) {
		t.Errorf("%v", err)
	}
}
