//go:build unix

package redis

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func (p place) claims(t *testing.T, name string, within time.Duration) *Claims {
	t.Helper()
	log, _ := recorded()
	c, err := NewClaims(Connection{URL: p.url()}, name, within, log)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// TestClaims: who is first has a key, for as long as times are near and the place asks
// again; others share it by the name alone.
func TestClaims(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		name := pipelinetest.Name(t)
		one, other := p.claims(t, name, time.Minute), p.claims(t, name, time.Minute)
		const now = 1_700_000_000_000
		for i, step := range []struct {
			store        *Claims
			keys, places string
			time         int64
			want         string
		}{
			{one, "a b c", "p1 p2 p3", now, "- - -"},
			{other, "a b c d", "q1 q2 p3 q4", now + 59_999, "x x - -"},
			{one, "a b", "p1 p2", now + 30_000, "- -"},                 // come again
			{other, "a b", "q1 q2", now - 59_999, "x x"},               // earlier
			{other, "a", "q1", now + 60_000, "-"},                      // far enough apart
			{one, "a", "p1", now, "-"},                                 // and again so
			{one, "e e f e", "p5 p6 p7 p5", now, "- x - -"},            // of one batch
			{p.claims(t, name+"2", time.Minute), "a", "z1", now, "-"},  // another name
			{p.claims(t, name, time.Millisecond), "f", "z1", now, "x"}, // at the same time
		} {
			keys, places := strings.Fields(step.keys), strings.Fields(step.places)
			taken, err := step.store.Claim(t.Context(), keys, places, slices.Repeat([]int64{step.time}, len(keys)))
			must(t, err)
			var got []string
			for _, is := range taken {
				got = append(got, map[bool]string{true: "x", false: "-"}[is])
			}
			if strings.Join(got, " ") != step.want {
				t.Errorf("step %d: %s, want %s", i, strings.Join(got, " "), step.want)
			}
		}
		must(t, one.Release(t.Context(), []string{"b", "c", "none"}, []string{"wrong", "p3", "p"}))
		taken, err := other.Claim(t.Context(), []string{"b", "c"}, []string{"r1", "r2"}, []int64{now, now})
		must(t, err)
		if !taken[0] || taken[1] {
			t.Errorf("released are a key of another place, %v, and not its own, %v", !taken[0], taken[1])
		}
		if left := p.client(t).PTTL(t.Context(), one.names([]string{"d"})[0]).Val(); left <= time.Minute || left > 2*time.Minute {
			t.Errorf("a key is kept for %v", left)
		}
	})
}

// TestManyClaims: more than one script takes.
func TestManyClaims(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		c := p.claims(t, pipelinetest.Name(t), time.Minute)
		var keys, places []string
		for i := range 2*claimsAtOnce + 7 {
			keys, places = append(keys, strconv.Itoa(i%2000)), append(places, "p"+strconv.Itoa(i))
		}
		taken, err := c.Claim(t.Context(), keys, places, make([]int64, len(keys)))
		must(t, err)
		for i, is := range taken {
			if is != (i >= 2000) {
				t.Fatalf("key %d: taken %v", i, is)
			}
		}
		must(t, c.Release(t.Context(), keys, places))
		if left := p.client(t).Exists(t.Context(), c.names(keys[:1])...).Val(); left > 0 {
			t.Error("a key was not released")
		}
	})
}

func TestHash(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		key, client := pipelinetest.Name(t), p.client(t)
		must(t, client.HSet(t.Context(), key, "a", `{"n":1}`, "b\x00", "", "c", "\xff").Err())
		t.Cleanup(func() { client.Del(t.Context(), key) })
		log, _ := recorded()
		h, err := NewHash(Connection{URL: p.url()}, key, log)
		must(t, err)
		defer h.Close()
		fields := [][]byte{[]byte("c"), []byte("none"), []byte("b\x00"), nil, []byte("a"), []byte("a")}
		for range fieldsAtOnce {
			fields = append(fields, []byte("a"))
		}
		got, err := h.Get(t.Context(), fields)
		must(t, err)
		want := [][]byte{[]byte("\xff"), nil, {}, nil, []byte(`{"n":1}`), []byte(`{"n":1}`)}
		for i, w := range want {
			if string(got[i]) != string(w) || (got[i] == nil) != (w == nil) {
				t.Errorf("field %q: %q", fields[i], got[i])
			}
		}
		if len(got) != len(fields) || string(got[len(got)-1]) != `{"n":1}` {
			t.Errorf("%d of %d values", len(got), len(fields))
		}
		must(t, client.Del(t.Context(), key).Err())
		must(t, client.Set(t.Context(), key, "no hash", 0).Err())
		_, err = h.Get(t.Context(), fields[:1])
		wantError(t, err, pipeline.Permanent, "hash "+key)
	})
}

// TestStoresAreAway: who does not answer is Unreachable.
func TestStoresAreAway(t *testing.T) {
	log, _ := recorded()
	gone := Connection{URL: "redis://127.0.0.1:1/0"}
	c, err := NewClaims(gone, "n", time.Minute, log)
	must(t, err)
	defer c.Close()
	h, err := NewHash(gone, "k", log)
	must(t, err)
	defer h.Close()
	_, err = c.Claim(t.Context(), []string{"k"}, []string{"p"}, []int64{1})
	wantError(t, err, pipeline.Unreachable, "claiming keys")
	wantError(t, c.Release(t.Context(), []string{"k"}, []string{"p"}), pipeline.Unreachable, "releasing keys")
	_, err = h.Get(t.Context(), [][]byte{nil})
	wantError(t, err, pipeline.Unreachable, "looking up in hash k")
}
