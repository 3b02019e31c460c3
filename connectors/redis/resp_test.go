package redis

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// wire is a connection whose other side has sent all it will send.
type wire struct {
	net.Conn
	from io.Reader
}

func (w wire) Read(p []byte) (int, error)       { return w.from.Read(p) }
func (w wire) Write(p []byte) (int, error)      { return len(p), nil }
func (w wire) SetReadDeadline(time.Time) error  { return nil }
func (w wire) SetWriteDeadline(time.Time) error { return nil }
func (w wire) SetDeadline(time.Time) error      { return nil }

// replying gives a connection that reads what from gives.
func replying(from io.Reader) *conn { return newConn(wire{from: from}) }

func TestNext(t *testing.T) {
	for text, want := range map[string]struct {
		kind byte
		n    int64
		err  string // a part of it; empty: none
	}{
		"+OK\r\n":                                {kind: '+'},
		":-12\r\n":                               {kind: ':', n: -12},
		"*2\r\n":                                 {kind: '*', n: 2},
		"*-1\r\n":                                {kind: '*', n: -1},
		"$0\r\n":                                 {kind: '$'},
		"$-1\r\n":                                {kind: '$', n: -1},
		"$536870912\r\n":                         {kind: '$', n: 512 << 20},
		"$536870913\r\n":                         {kind: '$', err: "announces a value of 536870913 bytes"},
		"$-2\r\n":                                {kind: '$', err: "protocol"},
		"*\r\n":                                  {kind: '*', err: "protocol"},
		"*1x\r\n":                                {kind: '*', err: "protocol"},
		"$ 1\r\n":                                {kind: '$', err: "protocol"},
		"*99999999999999999999999\r\n":           {kind: '*', err: "protocol"},
		"*18446744073709551615\r\n":              {kind: '*', err: "protocol"},
		"-ERR no\r\n":                            {kind: '-', err: "ERR no"},
		"-\r\n":                                  {kind: '-'},
		"%1\r\n":                                 {kind: '%', err: "unknown kind"},
		"+OK\n":                                  {err: "protocol"},
		"\r\n":                                   {err: "protocol"},
		"\n":                                     {err: "protocol"},
		"":                                       {err: "EOF"},
		"+OK":                                    {err: "EOF"},
		"+" + strings.Repeat("x", 5000) + "\r\n": {err: "protocol"},
		"+" + strings.Repeat("x", 70_000):        {err: "too long"},
	} {
		kind, n, err := replying(strings.NewReader(text)).next()
		switch {
		case err == nil && want.err != "", err != nil && !strings.Contains(err.Error(), want.err):
			t.Errorf("%.40q: error %v, want %q", text, err, want.err)
		case err == nil && (kind != want.kind || n != want.n):
			t.Errorf("%.40q: %c %d, want %c %d", text, kind, n, want.kind, want.n)
		}
	}
}

func TestReplyErrorLeavesTheConnectionUsable(t *testing.T) {
	c := replying(strings.NewReader("-OOM full\r\n$2\r\nok\r\n"))
	_, _, err := c.next()
	if reply, ok := errors.AsType[replyError](err); !ok || reply != "OOM full" {
		t.Fatalf("got %v", err)
	}
	if text, err := c.text(); text != "ok" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

// Whatever length is announced, memory is only taken for what has come.
func TestAnnouncedLengthTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := replying(strings.NewReader("$536870912\r\nshort"))
	_, err := bulkInto(c, &pipeline.Batch{})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
		t.Errorf("it took %d bytes", took)
	}
}

func TestBulk(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 200_000) // 3.2 MB: above what is taken at once
	for _, value := range []string{"", "x", "\r\n", "$5\r\nhello\r\n", "\x00\xff", large} {
		wire := "$" + strconv.Itoa(len(value)) + "\r\n" + value + "\r\n+next\r\n"
		for name, use := range map[string]func(*conn, int64) (string, error){
			"bulk":   func(c *conn, n int64) (string, error) { b, err := c.bulk(nil, n); return string(b), err },
			"digest": func(c *conn, n int64) (string, error) { return c.digest(n) },
			"skip":   func(c *conn, n int64) (string, error) { return "", c.skip(n) },
		} {
			c := replying(strings.NewReader(wire))
			n, err := c.expect('$')
			must(t, err)
			got, err := use(c, n)
			must(t, err)
			if want := map[string]string{"bulk": value, "digest": hash([]byte(value))}[name]; got != want {
				t.Errorf("%s of %.20q gave %.40q", name, value, got)
			}
			if kind, _, err := c.next(); kind != '+' || err != nil {
				t.Errorf("%s of %.20q left the reply at %c, %v", name, value, kind, err)
			}
			c = replying(strings.NewReader(wire[:len(wire)-len("\n+next\r\n")] + "x+next\r\n"))
			n, err = c.expect('$')
			must(t, err)
			if _, err := use(c, n); !errors.Is(err, errNotRESP) {
				t.Errorf("%s of %.20q with another end gave %v", name, value, err)
			}
		}
	}
}

// entries parses a reply as a stream reader does.
func entries(from io.Reader, valueField string) (*pipeline.Batch, error) {
	r := &streamReader{entryParser: entryParser{valueField: valueField}, source: &StreamSource{}, asked: 1}
	c, b := replying(from), &pipeline.Batch{}
	if err := r.await(c); err != nil {
		return b, err
	}
	return b, r.take(c, b, pipeline.Limit{Records: 1000, Bytes: 1 << 20})
}

// items parses a reply as a list reader does.
func items(from io.Reader, anchor, lpush bool) (*pipeline.Batch, error) {
	r := &listReader{source: &ListSource{}, lpush: lpush, incarnation: "I", next: request{count: 10}}
	r.cursor.Incarnation = "I"
	if anchor {
		r.cursor.Offset.Minor, r.cursor.Evidence.Hash = 3, hash([]byte("anchor"))
	}
	c, b := replying(from), &pipeline.Batch{}
	if err := r.look(c); err != nil || r.left == 0 {
		return b, err
	}
	limit := pipeline.Limit{Records: 1000, Bytes: 1 << 20}
	if lpush {
		return b, r.takeReversed(c, b, limit)
	}
	return b, r.take(c, b, limit)
}

const (
	streamReply = "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n5-1\r\n*4\r\n$1\r\nv\r\n$3\r\none\r\n$1\r\nw\r\n$0\r\n\r\n" +
		"*2\r\n$3\r\n6-0\r\n*2\r\n$1\r\nv\r\n$4\r\n\r\n\xff$\r\n"
	listReply = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*2\r\n$1\r\nI\r\n$1\r\n0\r\n*3\r\n$6\r\nanchor\r\n$3\r\none\r\n$0\r\n\r\n"
	// The same as LRANGE gives it for a list that is pushed on the left.
	lpushReply = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*2\r\n$1\r\nI\r\n$1\r\n0\r\n*3\r\n$0\r\n\r\n$3\r\none\r\n$6\r\nanchor\r\n"
)

// parses are the ways a reply is read.
var parses = map[string]struct {
	reply string
	want  []string
	parse func(io.Reader) (*pipeline.Batch, error)
}{
	"stream, a field":   {streamReply, []string{"one", "\r\n\xff$"}, func(r io.Reader) (*pipeline.Batch, error) { return entries(r, "v") }},
	"stream, objects":   {streamReply, []string{`{"v":"one","w":""}`, "v=\r\n\xff$\n"}, func(r io.Reader) (*pipeline.Batch, error) { return entries(r, "") }},
	"list":              {strings.Replace(listReply, "*3", "*2", 1), []string{"anchor", "one"}, func(r io.Reader) (*pipeline.Batch, error) { return items(r, false, false) }},
	"list, after some":  {listReply, []string{"one", ""}, func(r io.Reader) (*pipeline.Batch, error) { return items(r, true, false) }},
	"lpush, after some": {lpushReply, []string{"one", ""}, func(r io.Reader) (*pipeline.Batch, error) { return items(r, true, true) }},
}

// A reply that is cut anywhere and comes in two parts, or byte by byte, is the
// same reply; one that ends early is an error.
func TestRepliesInParts(t *testing.T) {
	for name, p := range parses {
		t.Run(name, func(t *testing.T) {
			check := func(from io.Reader) {
				t.Helper()
				b, err := p.parse(from)
				must(t, err)
				if got := values(b); !slices.Equal(got, p.want) {
					t.Fatalf("got %q, want %q", got, p.want)
				}
			}
			check(iotest.OneByteReader(strings.NewReader(p.reply)))
			for cut := 1; cut < len(p.reply); cut++ {
				check(io.MultiReader(strings.NewReader(p.reply[:cut]), strings.NewReader(p.reply[cut:])))
				b, err := p.parse(strings.NewReader(p.reply[:cut]))
				if complete := slices.Equal(values(b), p.want); err == nil && !complete {
					t.Fatalf("cut at %d it gave %q and no error", cut, values(b))
				}
			}
		})
	}
}

// FuzzReply feeds bytes from outside: no panic, no memory for what is only
// announced, and the same result however they are cut.
func FuzzReply(f *testing.F) {
	for _, p := range parses {
		f.Add([]byte(p.reply), uint16(len(p.reply)/2))
	}
	f.Add([]byte("*1\r\n*2\r\n$1\r\ns\r\n*1000000000\r\n*2\r\n$3\r\n5-1\r\n*1000000\r\n$400000000\r\nx"), uint16(7))
	f.Fuzz(func(t *testing.T, reply []byte, cut uint16) {
		at := int(cut) % (len(reply) + 1)
		for name, p := range parses {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			whole, err := p.parse(bytes.NewReader(reply))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(8<<20+20*len(reply)) {
				t.Errorf("%s: %d bytes made it take %d", name, len(reply), took)
			}
			parts, err2 := p.parse(io.MultiReader(bytes.NewReader(reply[:at]), bytes.NewReader(reply[at:])))
			if !slices.Equal(values(whole), values(parts)) || (err == nil) != (err2 == nil) {
				t.Errorf("%s: whole %q, %v; cut at %d %q, %v", name, values(whole), err, at, values(parts), err2)
			}
		}
	})
}

func TestParseNumbers(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "18446744073709551615": 1<<64 - 1, "00012": 12} {
		if n, ok := parseUint([]byte(text)); !ok || n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "-1", "+1", "18446744073709551616", "99999999999999999999", "1.5", "1e3", " 1"} {
		if n, ok := parseUint([]byte(text)); ok {
			t.Errorf("%q was read as %d", text, n)
		}
	}
	for _, text := range []string{"5", "-5", "5-", "5-x", "5-1-2", "5--1", "x-1"} {
		if id, ok := parseID([]byte(text)); ok {
			t.Errorf("%q was read as the id %v", text, id)
		}
	}
	if id, ok := parseID([]byte("18446744073709551615-18446744073709551615")); !ok || id != (pipeline.Offset{Major: 1<<64 - 1, Minor: 1<<64 - 1}) {
		t.Errorf("the largest id was read as %v, %v", id, ok)
	}
}
