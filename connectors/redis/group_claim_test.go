package redis

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// What XREADGROUP … CLAIM (Redis 8.4) is asked for and gives, byte for byte: older
// servers cannot show it, and on newer ones XAUTOCLAIM hides what CLAIM leaves undone.

// spoken is a connection that keeps what is written to it.
type spoken struct {
	net.Conn
	sent *bytes.Buffer
}

func (s spoken) Write(p []byte) (int, error)      { return s.sent.Write(p) }
func (s spoken) SetReadDeadline(time.Time) error  { return nil }
func (s spoken) SetWriteDeadline(time.Time) error { return nil }
func (s spoken) SetDeadline(time.Time) error      { return nil }

// claiming gives a reader of a group whose server can claim so much.
func claiming(claims capability) *groupReader {
	s := &GroupSource{claims: claims, settings: StreamSettings{Group: &Group{Name: "g", ClaimIdle: 3 * time.Second}}}
	return &groupReader{source: s, key: "k", consumer: "me", next: request{count: 7}, incarnation: "1"}
}

func TestGroupAsksForWhatOthersLeave(t *testing.T) {
	const plain, waiting = "XREADGROUP GROUP g me COUNT 7", " BLOCK 1500"
	for name, c := range map[string]struct {
		claims capability
		holds  []pipeline.Offset
		blocks bool
		want   string
	}{
		"it waits and holds nothing":      {claims: present, blocks: true, want: plain + waiting + " CLAIM 3000"},
		"what it holds would come again":  {claims: present, holds: []pipeline.Offset{{Major: 1}}, blocks: true, want: plain + waiting},
		"it does not wait":                {claims: present, want: plain},
		"the server does not know how to": {claims: absent, blocks: true, want: plain + waiting},
	} {
		t.Run(name, func(t *testing.T) {
			var sent bytes.Buffer
			r := claiming(c.claims)
			r.delivered = c.holds
			must(t, r.ask(newConn(spoken{sent: &sent}), c.blocks))
			words := strings.Fields(sent.String())
			words = slices.DeleteFunc(words[1:], func(w string) bool { return w[0] == '$' })
			if got, want := strings.Join(words, " "), c.want+" STREAMS k >"; got != want {
				t.Errorf("asked\n  %s\nwant\n  %s", got, want)
			}
		})
	}
}

// TestGroupIsHandedWhatOthersLeft: an entry that was handed out before is not taken
// where it comes, beside new ones, but with what is pending, which Redis has counted.
func TestGroupIsHandedWhatOthersLeft(t *testing.T) {
	const before, fresh = "*4\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\na\r\n:3000\r\n:2\r\n", "*4\r\n$3\r\n2-1\r\n*2\r\n$1\r\nf\r\n$1\r\nb\r\n:0\r\n:0\r\n"
	for name, c := range map[string]struct {
		reply string
		want  string // ids of the records
		again bool
	}{
		"left by another":         {before, "", true},
		"new":                     {fresh, "2-1", false},
		"left by another and new": {before + fresh, "2-1", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := claiming(present)
			r.left = int64(strings.Count(c.reply, "*4"))
			var b pipeline.Batch
			must(t, r.take(replying(strings.NewReader(c.reply)), &b, large))
			var ids []string
			for i := range b.Records {
				ids = append(ids, b.Records[i].Offset.String())
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("took %q, want %q", got, c.want)
			}
			if r.again != c.again || r.counted != c.again {
				t.Errorf("another pass over what is pending: %v, counted by Redis: %v, want both %v", r.again, r.counted, c.again)
			}
		})
	}
}
