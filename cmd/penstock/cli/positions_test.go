package cli

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

func TestStandingForPeople(t *testing.T) {
	at := time.Date(2026, 11, 26, 20, 16, 0, 0, time.UTC)
	s := standing{Pipeline: "shop", At: "shop.yaml:1:1", Lease: true, Active: "instance vm/1/A is active since 2026-11-26T20:00:00Z", Shards: []shardStanding{
		{Shard: "orders", Position: "1700000000000-3", Committed: at, Instance: "vm/1/A", Newest: "1700000000000-9", Waiting: 6},
		{Shard: "users", Position: "0-12", Committed: at, Instance: "vm/1/A", Waiting: -1, Problem: "there is no stream users in Redis"},
		{Shard: "new", Waiting: -1},
	}}
	var out strings.Builder
	if err := s.write(&out); err != nil {
		t.Fatal(err)
	}
	want := `shop (shop.yaml:1:1): active: instance vm/1/A is active since 2026-11-26T20:00:00Z
shard   position         waiting  committed             by
orders  1700000000000-3  6        2026-11-26T20:16:00Z  vm/1/A
users   0-12             ?        2026-11-26T20:16:00Z  vm/1/A
new     none             ?                              
users: there is no stream users in Redis
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPositionsOfASinkWithout(t *testing.T) {
	path := file(t, "name: p\nsource:\n  generate: {events: 1}\nsink:\n  drop: {}\ndelivery: at_least_once\n")
	got := penstock(t, "positions", "get", path)
	if got.code != exitFailed || !strings.Contains(got.errOut, "pipeline p: its sink drop stores no positions; the source keeps its own") {
		t.Errorf("%+v", got)
	}
	got = penstock(t, "positions", "sett", path)
	if got.code != exitInvalid || !strings.Contains(got.errOut, "did you mean set?") {
		t.Errorf("%+v", got)
	}
}

// A sink of somebody's own may store positions, and have no way to show them.
func TestPositionsOfASinkThatDoesNotShowThem(t *testing.T) {
	c := ours()
	info := pageInfo
	info.Positions = true
	*last(c.Sinks) = NewSink(info, newPage)
	path := file(t, "name: p\nsource:\n  generate: {events: 1}\nsink:\n  page: {}\ndelivery: at_least_once\n")
	for _, args := range [][]string{{"get", path}, {"reset", "--yes", path}} {
		got := asks(t, c, "", append([]string{"positions"}, args...)...)
		if got.code != exitFailed || !strings.Contains(got.errOut, "pipeline p: its sink page stores positions, and does not show them; its sink has to implement pipeline.PositionStore") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestPositionsChangesForPeople(t *testing.T) {
	at := func(incarnation string, major, minor, added uint64) *pipeline.Position {
		return &pipeline.Position{Incarnation: incarnation, Offset: pipeline.Offset{Major: major, Minor: minor}, Evidence: pipeline.Evidence{Added: added}}
	}
	var out strings.Builder
	if err := describe(&out, []change{
		{"set-back", at("A", 0, 120, 120), at("A", 0, 110, 110), nil},
		{"set-forward", at("A", 1700000000000, 3, 7), at("A", 1700000000009, 0, 9), nil},
		{"trimmed", at("A", 1700000000000, 3, 90), at("A", 0, 0, 70), nil},
		{"by-an-id", at("A", 1700000000000, 3, 90), at("A", 1600000000000, 0, 0), nil},
		{"made-again", at("A", 1700000000000, 3, 90), at("B", 0, 0, 0), nil},
		{"partition/0", at("A", 0, 12, 0), at("A", 0, 2, 0), nil},
		{"the-same", at("A", 0, 12, 12), at("A", 0, 12, 12), nil},
		{"adopted", nil, at("A", 0, 12, 12), nil},
		{"forgotten", at("A", 0, 12, 12), nil, nil},
		{"anothers", nil, nil, at("A", 0, 12, 12)},
	}); err != nil {
		t.Fatal(err)
	}
	want := `shard        from             to
set-back     0-120            0-110
set-forward  1700000000000-3  1700000000009-0
trimmed      1700000000000-3  0-0
by-an-id     1700000000000-3  1600000000000-0
made-again   1700000000000-3  0-0
partition/0  0-12             0-2
the-same     0-12             0-12
adopted      none             0-12
forgotten    0-12             none
anothers     none             none
set-back: 10 records are read again
set-forward: 2 records are passed over
trimmed: its oldest 70 records were removed, and cannot be delivered again; 20 records are read again
made-again: what was delivered is of another incarnation
partition/0: 10 records are read again
anothers: the source says that it was read up to 0-12, and not by this pipeline: if another one reads it, that one halts
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPositionsAreChangedWhereSomebodyAgrees(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes \n": true, "yes": true, "": false, "\n": false, "n\n": false, "yesterday\n": false, "no\ny\n": false} {
		if err := agreed(strings.NewReader(answer)); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// Nobody answers: exit code 3, soon.
func TestPositionsOfServersThatAreAway(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := nobody.Addr().String()
	nobody.Close() //nolint:errcheck // nobody listens there now
	path := file(t, "name: orders\nsource:\n  redis_list: {url: \"redis://"+addr+"\", keys: [orders]}\nsink:\n  kafka: {brokers: [\""+addr+"\"], topic: orders, key: \"'x'\"}\n")
	got := penstock(t, "positions", "get", path)
	if got.code != exitUnreachable || !strings.Contains(got.errOut, "pipeline orders: Kafka at ["+addr+"] cannot be used") {
		t.Errorf("%+v", got)
	}
}
