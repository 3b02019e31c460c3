package pipelinetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
)

// sealed gives an event with a right sum over the fields given.
func sealed(fields string) string {
	return fmt.Sprintf(`%s,"sum":"%08x"}`, fields, crc32.ChecksumIEEE([]byte(fields)))
}

// made gives an event as the shop makes it, with fields of every kind between.
func made(user string, seq int) string {
	return sealed(fmt.Sprintf(`{"event_id":"%s-%d","user_id":"%s","seq":%d,"price":12.50,"tags":["a,}","\"]"],`+
		`"page":{"user_id":"u9","seq":[7]},"ua":"x \\","gone":null`, user, seq, user, seq))
}

func TestParseEvent(t *testing.T) {
	whole := made("u000042", 17)
	for name, c := range map[string]struct {
		key, value string
		want       error
	}{
		"whole":                 {"u000042", whole, nil},
		"a field added behind":  {"u000042", strings.TrimSuffix(whole, "}") + `,"channel":"web"}`, nil},
		"another key":           {"u000043", whole, errKey},
		"no key":                {"", whole, errKey},
		"a byte changed":        {"u000042", strings.Replace(whole, "12.50", "12.51", 1), errSum},
		"the sum changed":       {"u000042", strings.Replace(whole, `"sum":"`, `"sum":"0`, 1), errNotEvent},
		"cut short":             {"u000042", whole[:len(whole)-1], errNotEvent},
		"cut in a string":       {"u000042", whole[:20], errNotEvent},
		"something behind":      {"u000042", whole + "x", errNotEvent},
		"two in one":            {"u000042", whole + whole, errNotEvent},
		"empty":                 {"u000042", "", errNotEvent},
		"not an object":         {"u000042", "[1]", errNotEvent},
		"without sum":           {"u000042", `{"event_id":"u000042-1","user_id":"u000042","seq":1}`, errNotEvent},
		"sum is not hex":        {"u000042", `{"event_id":"u1-1","user_id":"u1","seq":1,"sum":"0000000x"}`, errNotEvent},
		"without seq":           {"u1", sealed(`{"event_id":"u1-1","user_id":"u1"`), errNotEvent},
		"user twice, no seq":    {"u1", sealed(`{"event_id":"u1-1","user_id":"u1","user_id":"u1"`), errNotEvent},
		"seq is text":           {"u1", sealed(`{"event_id":"u1-1","user_id":"u1","seq":"1"`), errNotEvent},
		"seq zero":              {"u1", sealed(`{"event_id":"u1-0","user_id":"u1","seq":0`), errNotEvent},
		"seq beyond all bounds": {"u1", sealed(`{"event_id":"u1-9999999999","user_id":"u1","seq":9999999999`), errNotEvent},
		"id of another seq":     {"u1", sealed(`{"event_id":"u1-2","user_id":"u1","seq":1`), errID},
		"id of another user":    {"u1", sealed(`{"event_id":"u2-1","user_id":"u1","seq":1`), errID},
		"id without seq":        {"u1", sealed(`{"event_id":"u1","user_id":"u1","seq":1`), errID},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := parseEvent([]byte(c.key), []byte(c.value))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil && (string(e.id) != "u000042-17" || string(e.user) != "u000042" || e.seq != 17) {
				t.Errorf("got %s, %s, %d", e.id, e.user, e.seq)
			}
		})
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	whole := []byte(made("u000042", 17))
	for i := range whole {
		for bit := range 8 {
			damaged := append([]byte(nil), whole...)
			damaged[i] ^= 1 << bit
			_, err := parseEvent([]byte("u000042"), damaged)
			// The case of a hex digit says nothing.
			if err == nil && !strings.EqualFold(string(damaged), string(whole)) {
				t.Errorf("bit %d of byte %d: nothing was noticed in %s", bit, i, damaged)
			}
		}
	}
}

// FuzzParseEvent holds the scanner against encoding/json: what it accepts as an
// event has the same fields there, if it is JSON at all.
func FuzzParseEvent(f *testing.F) {
	f.Add(strings.TrimSuffix(made("u000042", 17), "}"))
	f.Add(`{"event_id":"u1-1","user_id":"u1","seq":1,"x":[{"seq":2}],"y":"\u0022,}"`)
	f.Add(`{"event_id":"\`)
	f.Fuzz(func(t *testing.T, fields string) {
		value := []byte(sealed(fields))
		e, err := scanEvent(value)
		var got struct {
			User string `json:"user_id"`
			Seq  int    `json:"seq"`
		}
		if err != nil || !plain(fields) || json.Unmarshal(value, &got) != nil {
			return
		}
		if got.User != string(e.user) || got.Seq != e.seq {
			t.Errorf("scanned %s and %d, encoding/json says %s and %d: %s", e.user, e.seq, got.User, got.Seq, value)
		}
	})
}

// plain tells whether the names of the fields are written as the shop does:
// without escapes, and in the one case that encoding/json would fold.
func plain(fields string) bool {
	return !strings.Contains(fields, `\`) && strings.ToLower(fields) == fields &&
		strings.ToValidUTF8(fields, "") == fields && !strings.ContainsAny(fields, "ſK")
}
