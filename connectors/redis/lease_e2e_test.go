//go:build e2e && unix

package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// TestLeaseRefused: where Redis lets nobody write the key there is no lease, which is
// said once; where the key can be read, whoever has it is still found.
func TestLeaseRefused(t *testing.T) {
	_, p := private(t, "--maxmemory", "24mb", "--maxmemory-policy", "noeviction")
	admin := p.client(t)
	do := func(args ...any) { t.Helper(); must(t, admin.Do(t.Context(), args...).Err()) }
	full := func() { t.Helper(); full(t, admin) }
	for name, refusal := range map[string]struct {
		rights        []any
		begins, ends  func()
		word          string
		findsTheOther bool
	}{
		"no right to the key":      {rights: []any{"~events", "+@all"}, word: "NOPERM"},
		"no right to scripts":      {rights: []any{"~*", "+get"}, word: "NOPERM", findsTheOther: true},
		"no right within a script": {rights: []any{"~*", "+@all", "-set"}, word: "command", findsTheOther: true},
		"a replica": {rights: []any{"~*", "+@all"}, word: "READONLY", findsTheOther: true,
			begins: func() { do("REPLICAOF", "127.0.0.1", "1") }, ends: func() { do("REPLICAOF", "NO", "ONE") }},
		"out of memory": {rights: []any{"~*", "+@all"}, word: "OOM", findsTheOther: true, begins: full, ends: func() { do("FLUSHALL") }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeaseTest(t, p)
			do(append([]any{"ACL", "SETUSER", "few", "reset", "on", ">s3cret"}, refusal.rights...)...)
			few := l.place
			few.addr = "few:s3cret@" + p.addr
			log, said := recorded()
			user := &leaseTest{T: t, place: few, name: l.name}
			alone, second := user.of("alone", time.Minute, log), user.of("second", time.Minute, log)
			other := l.of("other", time.Minute, quiet)
			if refusal.begins != nil {
				refusal.begins()
				defer refusal.ends()
			}
			takes(t, alone, false)
			takes(t, alone, false)
			if n := strings.Count(said.String(), "capability"); n != 2 || !strings.Contains(said.String(), refusal.word) || strings.Contains(said.String(), "s3cret") {
				t.Errorf("said %s", said)
			}
			must(t, alone.Release(t.Context()))
			if refusal.begins != nil {
				refusal.ends()
			}
			takes(t, other, true)
			if refusal.begins != nil {
				refusal.begins()
			}
			if refusal.findsTheOther {
				stands(t, second, "other")
			} else {
				takes(t, second, false)
			}
			takes(t, other, false) // a lease that is held is renewed, whatever Redis refuses
		})
	}
}

// TestLeaseWhileRedisIsAway: the lease is kept over a restart, as far as Redis keeps
// its data.
func TestLeaseWhileRedisIsAway(t *testing.T) {
	server, p := private(t)
	l := newLeaseTest(t, p)
	one, two := l.of("one", time.Minute, quiet), l.of("two", time.Minute, quiet)
	takes(t, one, true)
	stands(t, two, "one")
	must(t, server.Kill())
	for _, lease := range []*Lease{one, two} {
		_, err := lease.Take(t.Context())
		wantError(t, err, pipeline.Unreachable, "taking the lease")
	}
	must(t, server.Restart(t.Context()))
	takes(t, one, true)
	stands(t, two, "one")
}
