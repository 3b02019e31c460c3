package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"regexp"
	"strconv"
	"testing"
)

func TestShopEventsAreTheSameOnEveryMachine(t *testing.T) {
	shop := NewShop(1, 1000)
	want := []string{
		`{"event_id":"u000001-1","user_id":"u000001","seq":1,"action":"view","product_id":"p03212","price":159.28,"quantity":4,"ts":1767225600000,"page":"/books/new/p03212","session":"910a2dec89025cc1","ua":"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605.1.15","sum":"a2444543"}`,
		`{"event_id":"u000002-1","user_id":"u000002","seq":1,"action":"view","product_id":"p08236","price":9.84,"quantity":4,"ts":1767225600001,"page":"/sale/p08236","session":"beeb8da1658eec67","ua":"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605.1.15","sum":"f388a16e"}`,
	}
	for i, line := range want {
		if got, _ := shop.Append(nil); string(got) != line {
			t.Errorf("event %d is\n%s\nwant\n%s", i, got, line)
		}
	}
	a, b := NewShop(7, 3), NewShop(8, 3)
	eventA, _ := a.Append(nil)
	eventB, _ := b.Append(nil)
	if bytes.Equal(eventA, eventB) {
		t.Error("two seeds give the same event")
	}
}

func TestShopEventsCanBeJudged(t *testing.T) {
	const users, events = 7, 1000
	shop := NewShop(42, users)
	price := regexp.MustCompile(`,"price":\d+\.\d\d,`)
	seen := map[string]int{}
	actions := map[string]int{}
	size := 0
	for range events {
		raw, user := shop.Append([]byte("before"))
		if !bytes.HasPrefix(raw, []byte("before")) {
			t.Fatal("Append has changed what stood in dst")
		}
		raw = raw[len("before"):]
		size += len(raw)
		var event struct {
			EventID   string  `json:"event_id"`
			UserID    string  `json:"user_id"`
			Seq       int     `json:"seq"`
			Action    string  `json:"action"`
			ProductID string  `json:"product_id"`
			Price     float64 `json:"price"`
			Quantity  int     `json:"quantity"`
			TS        int64   `json:"ts"`
			Page      string  `json:"page"`
			Session   string  `json:"session"`
			UA        string  `json:"ua"`
			Sum       string  `json:"sum"`
		}
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&event); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		seen[user]++
		actions[event.Action]++
		if event.UserID != user || event.Seq != seen[user] ||
			event.EventID != user+"-"+strconv.Itoa(event.Seq) {
			t.Fatalf("event %d of %s is %s", seen[user], user, raw)
		}
		if !price.Match(raw) || event.Quantity < 1 || event.TS < shopStart ||
			event.Session == "" || event.Page == "" || event.UA == "" || event.ProductID == "" {
			t.Fatalf("a field is missing or odd: %s", raw)
		}
		before, _, _ := bytes.Cut(raw, []byte(`,"sum"`))
		if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE(before)); event.Sum != want {
			t.Fatalf("sum is %s, want %s", event.Sum, want)
		}
	}
	if mean := size / events; mean < 280 || mean > 320 {
		t.Errorf("an event has %d bytes, want about 300", mean)
	}
	if !maps.Equal(shop.Counts(), seen) {
		t.Errorf("Counts gives %v, want %v", shop.Counts(), seen)
	}
	for _, action := range []string{"view", "search", "cart", "buy"} {
		if actions[action] == 0 {
			t.Errorf("no event with action %s", action)
		}
	}
}

func TestShopGoesOnFromAnyEvent(t *testing.T) {
	shop, other := NewShop(3, 10), NewShop(3, 10)
	for range 57 {
		shop.Append(nil)
	}
	other.Seek(57)
	want, _ := shop.Append(nil)
	if got, _ := other.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("after Seek(57):\n%s\nwant\n%s", got, want)
	}
	if !maps.Equal(shop.Counts(), other.Counts()) {
		t.Error("Counts differs after Seek")
	}
}

func TestShopUserIDs(t *testing.T) {
	for users, want := range map[int]string{
		-1: "u000001", 1: "u000001", 42: "u000042", 999999: "u999999", 1000000: "u1000000",
	} {
		shop := NewShop(0, users)
		shop.Seek(uint64(max(users, 1) - 1))
		if _, user := shop.Append(nil); user != want {
			t.Errorf("the last of %d users is %s, want %s", users, user, want)
		}
	}
	if n := len(NewShop(0, 1000).Counts()); n != 0 {
		t.Errorf("a shop without events counts %d users", n)
	}
}

func BenchmarkShop(b *testing.B) {
	shop := NewShop(1, 1000)
	event, _ := shop.Append(nil)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		event, _ = shop.Append(event[:0])
	}
}
