//go:build e2e && unix

package redis

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// TestDeadLettersWithTheFewestRights, as README.md shows them.
func TestDeadLettersWithTheFewestRights(t *testing.T) {
	_, p := private(t)
	admin := p.client(t)
	must(t, admin.Do(t.Context(), "ACL", "SETUSER", "letters", "on", ">s3cret", "+select", "~events_dead", "+multi", "+exec", "+xadd", "+xrange", "+xrevrange", "+xdel").Err())
	d, err := NewDeadLetters(Connection{URL: pipeline.Secret("redis://letters:s3cret@" + p.addr + "/0")}, "events_dead", "shop", quiet)
	must(t, err)
	defer d.Close() //nolint:errcheck // a test
	must(t, d.Keep(t.Context(), []pipeline.DeadLetter{letter("1"), letter("2")}))
	all := shownOf(t, d)
	must(t, d.GivenBack(t.Context(), []string{all[0].ID}))
	if left := shownOf(t, d); len(all) != 2 || len(left) != 1 {
		t.Errorf("%d letters, then %d", len(all), len(left))
	}
	other, err := NewDeadLetters(Connection{URL: pipeline.Secret("redis://letters:s3cret@" + p.addr + "/0")}, "elsewhere", "shop", quiet)
	must(t, err)
	defer other.Close() //nolint:errcheck // a test
	wantError(t, other.Keep(t.Context(), []pipeline.DeadLetter{letter("1")}), pipeline.Unreachable, "keeping dead letters in stream elsewhere", "ACL")
}

// TestDeadLettersWithoutMemory wait: Redis takes no more, and says so.
func TestDeadLettersWithoutMemory(t *testing.T) {
	_, p := private(t)
	admin := p.client(t)
	d, err := NewDeadLetters(Connection{URL: p.url()}, "dead", "shop", quiet)
	must(t, err)
	defer d.Close() //nolint:errcheck // a test
	must(t, d.Keep(t.Context(), []pipeline.DeadLetter{letter("1")}))
	must(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
	err = d.Keep(t.Context(), []pipeline.DeadLetter{letter("2")})
	if err == nil || pipeline.ClassOf(err) == pipeline.Permanent {
		t.Errorf("without memory: %v", err)
	}
	all := shownOf(t, d)
	must(t, d.GivenBack(t.Context(), []string{all[0].ID})) // frees memory
	must(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
	must(t, d.Keep(t.Context(), []pipeline.DeadLetter{letter("2")}))
	if left := shownOf(t, d); len(left) != 1 || string(left[0].Value) != "2" {
		t.Errorf("left %v", left)
	}
}
