package cli

import (
	"strings"
	"testing"
	"time"
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
