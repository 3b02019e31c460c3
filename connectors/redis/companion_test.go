package redis

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

// slot gives the slot of a key as the Cluster specification says, written down
// apart from hashTag: CRC16 (XMODEM) of the key, or of what stands between the
// first { and the first } after it.
func slot(key string) uint16 {
	if before, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return crc16(tag)
		}
		_ = before
	}
	return crc16(key)
}

func crc16(text string) uint16 {
	var crc uint16
	for _, c := range []byte(text) {
		crc ^= uint16(c) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc % 16384
}

func TestSlot(t *testing.T) { // what CLUSTER KEYSLOT of a real Redis says
	for key, want := range map[string]uint16{"123456789": 12739, "foo": 12182, "foo{hash_tag}": 2515, "": 0} {
		if got := slot(key); got != want {
			t.Errorf("%q lies in slot %d, not %d", key, want, got)
		}
	}
}

func TestCompanionOf(t *testing.T) {
	for key, want := range map[string]string{ // empty: refused
		"events":     "penstock:{events}",
		"a:b c":      "penstock:{a:b c}",
		"{user}:1":   "penstock::{user}:1",
		"a{b}c{d}":   "penstock::a{b}c{d}",
		"a}b":        "",
		"{}a":        "",
		"a{":         "penstock:{a{}",
		"{":          "penstock:{{}",
		"}":          "",
		"penstock:x": "penstock:{penstock:x}",
	} {
		got, err := companionOf(key)
		if want == "" {
			wantError(t, err, pipeline.Permanent, key, "braces")
			continue
		}
		must(t, err)
		if got != want {
			t.Errorf("the companion of %q is %q, want %q", key, got, want)
		}
	}
}

// A companion lies in its key's slot, and is no other key's.
func TestCompanionsLieInTheSlot(t *testing.T) {
	keys := rapid.StringMatching(`[a{}:]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := keys.Draw(t, "a"), keys.Draw(t, "b")
		ofA, errA := companionOf(a)
		ofB, errB := companionOf(b)
		if errA == nil && slot(ofA) != slot(a) {
			t.Fatalf("%q lies in slot %d, its companion %q in %d", a, slot(a), ofA, slot(ofA))
		}
		if errA == nil && errB == nil && a != b && ofA == ofB {
			t.Fatalf("%q and %q have the same companion %q", a, b, ofA)
		}
	})
}

// FuzzCompanion: what stands in a companion is a count, or an error that says where.
func FuzzCompanion(f *testing.F) {
	for _, c := range [][3]string{{"1", "A", "7"}, {"", "", ""}, {"2", "A", "7"}, {"1", "", "7"}, {"1", "A", "-7"}, {"1", "A", "18446744073709551616"}, {"1", "A", "1-2"}} {
		f.Add(c[0], c[1], c[2])
	}
	f.Fuzz(func(t *testing.T, version, incarnation, position string) {
		got, base, err := readCompanion("penstock:{list}", []any{version, incarnation, position})
		switch {
		case err != nil && !strings.Contains(err.Error(), "penstock:{list}"):
			t.Errorf("%q does not say where", err)
		case err == nil && got != incarnation:
			t.Errorf("incarnation %q became %q", incarnation, got)
		case err == nil && got != "" && strconv.FormatUint(base, 10) != position && position != "":
			t.Errorf("position %q became %d", position, base)
		}
	})
}
