package local

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// shopStart is the time of a shop's first event, 2026-01-01T00:00:00Z, in
// milliseconds. Each event happens a millisecond after the one before.
const shopStart = 1767225600000

// Shop makes the events of a pretend web shop, about 300 bytes of JSON each.
// The same seed and number of users give the same events on every machine.
// Users take turns, and each user's events are numbered 1, 2, 3… in "seq", so
// that what arrives somewhere can be judged: lost, doubled, out of order. The
// last field, "sum", tells whether an event is whole: it is the CRC-32 (IEEE),
// in 8 hex digits, of all bytes of the event before `,"sum"`.
//
// A Shop is for one goroutine at a time.
type Shop struct {
	seed  uint64
	users uint64
	next  uint64 // events made so far
	names string // all user ids in one string, width bytes each
	width int
}

// NewShop returns a shop with that many users (at least one), before its first
// event.
func NewShop(seed uint64, users int) *Shop {
	users = max(users, 1)
	width := max(len("u000000"), len("u")+len(strconv.Itoa(users)))
	var names strings.Builder
	names.Grow(users * width)
	for i := 1; i <= users; i++ {
		fmt.Fprintf(&names, "u%0*d", width-1, i)
	}
	return &Shop{seed: seed, users: uint64(users), names: names.String(), width: width}
}

// Append appends the next event to dst, as one line of JSON without a newline,
// and returns it with the event's user, "u000042".
func (s *Shop) Append(dst []byte) (event []byte, user string) {
	start := len(dst)
	r := mix(s.seed, s.next)
	user, seq := s.user(s.next%s.users), s.next/s.users+1
	product := r >> 8 % 10000

	dst = append(append(dst, `{"event_id":"`...), user...)
	dst = strconv.AppendUint(append(dst, '-'), seq, 10)
	dst = append(append(dst, `","user_id":"`...), user...)
	dst = strconv.AppendUint(append(dst, `","seq":`...), seq, 10)
	dst = append(append(dst, `,"action":"`...), actions[r%uint64(len(actions))]...)
	dst = appendDigits(append(dst, `","product_id":"p`...), product, 5)
	dst = appendPrice(append(dst, `","price":`...), product)
	dst = strconv.AppendUint(append(dst, `,"quantity":`...), 1+r>>24%5, 10)
	dst = strconv.AppendUint(append(dst, `,"ts":`...), shopStart+s.next, 10)
	dst = append(append(dst, `,"page":"/`...), sections[r>>32%uint64(len(sections))]...)
	dst = appendDigits(append(dst, "/p"...), product, 5)
	dst = appendHex(append(dst, `","session":"`...), mix(s.seed^(seq/20), s.next%s.users), 16)
	dst = append(append(dst, `","ua":"`...), browsers[r>>40%uint64(len(browsers))]...)
	dst = append(dst, '"')

	sum := crc32.ChecksumIEEE(dst[start:])
	dst = appendHex(append(dst, `,"sum":"`...), uint64(sum), 8)
	s.next++
	return append(dst, `"}`...), user
}

// Seek makes the shop go on as if it had made n events.
func (s *Shop) Seek(n uint64) { s.next = n }

// Counts gives the number of events made so far for each user that has one.
func (s *Shop) Counts() map[string]int {
	counts := make(map[string]int, min(s.users, s.next))
	for i := range min(s.users, s.next) {
		n := s.next / s.users
		if i < s.next%s.users {
			n++
		}
		counts[s.user(i)] = int(n)
	}
	return counts
}

func (s *Shop) user(i uint64) string {
	at := int(i) * s.width
	return s.names[at : at+s.width]
}

// What a visitor does, as often as it stands here.
var actions = [...]string{
	"view", "view", "view", "view", "view", "view", "view", "view",
	"search", "search", "search", "search", "cart", "cart", "cart", "buy",
}

var sections = [...]string{"shop", "sale", "garden/tools", "kitchen", "books/new", "toys"}

var browsers = [...]string{
	"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605.1.15",
}

// mix gives the n-th number of the SplitMix64 sequence that starts at seed.
func mix(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// appendPrice appends the price of a product, "12.50": always the same for the
// same product.
func appendPrice(dst []byte, product uint64) []byte {
	cents := 100 + product*7919%20000
	dst = strconv.AppendUint(dst, cents/100, 10)
	return appendDigits(append(dst, '.'), cents%100, 2)
}

// appendDigits appends the last width decimal digits of n.
func appendDigits(dst []byte, n uint64, width int) []byte {
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= len(dst)-width; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// appendHex appends the last width hex digits of n.
func appendHex(dst []byte, n uint64, width int) []byte {
	for shift := 4 * (width - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[n>>shift&15])
	}
	return dst
}
