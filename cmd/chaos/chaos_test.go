package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/connectors/local"
)

// request gives a request as Kafka's protocol frames it.
func request(key uint16, rest string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(2+len(rest)))
	return append(binary.BigEndian.AppendUint16(b, key), rest...)
}

// An EndTxn is found wherever the chunks begin and end, and nothing else is.
func TestFramesFindEndTxn(t *testing.T) {
	var all []byte
	for _, r := range [][]byte{request(0, strings.Repeat("\x00\x1a", 40)), request(3, ""), request(endTxnKey, "commit"), request(1, "more")} {
		all = append(all, r...)
	}
	end := len(all) - len(request(1, "more"))
	for size := 1; size <= len(all); size++ {
		f, found := &frames{}, -1
		for at := 0; at < len(all) && found < 0; at += size {
			if chunk := all[at:min(at+size, len(all))]; f.scan(chunk) {
				found = at + len(chunk)
			}
		}
		if found < end || found >= end+size {
			t.Errorf("in chunks of %d it was found at %d; it ends at %d", size, found, end)
		}
	}
	f := &frames{}
	if f.scan(request(0, strings.Repeat("\x00\x1a", 40))) {
		t.Error("found in a request that is none")
	}
}

// The same seed makes the same choices for a pipeline, whatever runs beside it.
func TestSeeded(t *testing.T) {
	draw := func(seed uint64, of string) (all [8]uint64) {
		chance := seeded(seed, of)
		for i := range all {
			all[i] = chance.Uint64()
		}
		return all
	}
	if first, again := draw(7, "chaos-kill-list"), draw(7, "chaos-kill-list"); first != again {
		t.Error("one seed, two rows of choices")
	}
	if draw(7, "chaos-kill-list") == draw(7, "chaos-kill-stream") || draw(7, "chaos-kill-list") == draw(8, "chaos-kill-list") {
		t.Error("the choices of another pipeline, or another seed, are the same")
	}
}

func TestPoison(t *testing.T) {
	p := &poisoned{shop: local.NewShop(1, 10), chance: seeded(1, "poison")}
	broken := 0
	for range 10_000 {
		if event, _ := p.Append(nil); !json.Valid(event) {
			broken++
		}
	}
	sent := 0
	for _, n := range p.shop.Counts() {
		sent += n
	}
	if broken != p.made || broken < 50 || broken > 200 || sent != 10_000-broken {
		t.Errorf("%d of 10000 were poisoned, %d are said to be, and %d others were made", broken, p.made, sent)
	}
}

func TestRowsThatAreWell(t *testing.T) {
	for name, c := range map[string]struct {
		row Row
		ok  bool
	}{
		"nothing":              {Row{}, true},
		"lost":                 {Row{Lost: 1}, false},
		"found less than gone": {Row{Lost: -1}, false},
		"doubled":              {Row{Doubled: 1}, false},
		"doubled in bounds":    {Row{Doubled: 10, Bound: 10}, true},
		"doubled out of them":  {Row{Doubled: 11, Bound: 10}, false},
		"disordered":           {Row{Disordered: 1}, false},
		"corrupt":              {Row{Corrupt: 1}, false},
		"something else":       {Row{Wrong: []string{"Penstock ended by itself"}}, false},
	} {
		if c.row.OK() != c.ok {
			t.Errorf("%s: OK is %v", name, !c.ok)
		}
	}
}

// A README's table is made of this run's rows and of those of earlier ones.
func TestReadmeTable(t *testing.T) {
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	if _, err := newReport(options{readme: readme}); err == nil {
		t.Error("a README that is not there can be written")
	}
	if err := os.WriteFile(readme, []byte("before\n"+beginMark+"old\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][]Row{
		{{Scenario: "redis", Shape: stream, Events: 5}, {Scenario: "kill", Shape: list, Events: 10, Seed: 1}},
		{{Scenario: "kill", Shape: list, Events: 1234567, Faults: 106, Seed: 2}},
	} {
		r, err := newReport(options{readme: readme, out: dir})
		if err != nil {
			t.Fatal(err)
		}
		r.Rows = rows
		if err := r.finish(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	first, second := strings.Index(got, "| list | 1,234,567 | 106 |"), strings.Index(got, "| stream | 5 |")
	if !strings.HasPrefix(got, "before\n"+beginMark) || !strings.HasSuffix(got, endMark+"\nafter\n") || strings.Contains(got, "old") || first < 0 || second < first {
		t.Errorf("got\n%s", got)
	}
}

// What was broken is an error that says how to see it again.
func TestBrokenRowsAreErrors(t *testing.T) {
	r, err := newReport(options{out: t.TempDir(), long: true})
	if err != nil {
		t.Fatal(err)
	}
	r.Rows = []Row{{Scenario: "kill", Shape: list, Lost: 3, Seed: 42, Log: "/logs", Examples: []string{"lost: u000001-4"}}}
	out := bytes.NewBufferString(r.rowsText(r.Rows))
	if err := r.finish(out); err == nil {
		t.Error("no error")
	}
	for _, word := range []string{"BROKEN", "u000001-4", "/logs", "go run ./cmd/chaos --seed 42 --only kill --long"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("it does not say %q:\n%s", word, out.String())
		}
	}
}

// TestScenariosInVain: what could not be carried out proves nothing, and counts as broken.
func TestScenariosInVain(t *testing.T) {
	rows := byNameOf("cluster").inVain(options{seed: 42}, errors.New("no server"))
	if len(rows) != 2 || rows[0].OK() || rows[1].Shape != stream || rows[0].Seed != 42 || !strings.Contains(rows[0].Wrong[0], "could not be carried out: no server") {
		t.Errorf("got %+v", rows)
	}
}

func byNameOf(name string) scenario {
	for _, s := range scenarios {
		if s.name == name {
			return s
		}
	}
	return scenario{}
}

func TestSelected(t *testing.T) {
	for _, c := range []struct {
		o    options
		want int // -1: an error
	}{
		{options{only: "kill"}, 1},
		{options{only: "kill|soak"}, 2},
		{options{only: "kil"}, -1},
		{options{only: "("}, -1},
		{options{only: "trim", from: []string{"list"}}, -1},
		{options{long: true}, len(scenarios)},
	} {
		found, err := c.o.selected()
		if len(found) != max(c.want, 0) || (err != nil) != (c.want < 0) {
			t.Errorf("%+v: %d scenarios, %v", c.o, len(found), err)
		}
	}
}
