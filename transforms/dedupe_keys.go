package transforms

import (
	"math/bits"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// keySum stands for a key: two 64-bit hashes with seeds of this process. Among
// 1,000,000 keys, two that differ have the same sum with odds of 1 : 10^27.
type keySum [2]uint64

// carrier is the record that first brought a key.
type carrier struct {
	sum    keySum
	offset pipeline.Offset
	time   int64  // of the record, Unix milliseconds
	life   uint32 // the incarnation of a shard, by its number in Dedupe.lives
	part   uint16 // of the record; where there are more than 65,535, they begin again
	state  carrierState
}

type carrierState uint8

const (
	forgotten carrierState = iota // only its place in the order is left
	known
	givenUp // its batch was given up: it may come again, or be replaced
)

// chunkSize is how many carriers are allocated at once (48 bytes each).
const chunkSize = 4096

// keySet holds carriers in the order in which they came, oldest first, and
// finds them by sum. A carrier is named by a number that counts up and is never
// used again. There are no pointers in it for the garbage collector to follow.
//
// The index is an open-addressing table of 32-bit slots, at most half full, with
// linear probing. A slot holds the low bits of the carrier's number (as many as
// tell all carriers apart) and, above them, the low bits of the slot's home: the
// place where its sum asks it to be. So a slot can be passed by or moved without
// a look at its carrier. 0 is an empty slot; no carrier's number has low bits 0.
type keySet struct {
	chunks [][]carrier // chunks[0] holds the oldest; freed when all of it is past
	spare  []carrier   // a chunk that is past, for the next one
	base   uint64      // the number of the first carrier in chunks[0]
	head   uint64      // the oldest carrier
	tail   uint64      // the next carrier
	live   int         // carriers that are not forgotten
	max    int         // how many of those there may be
	places int         // and how many with the forgotten ones in between

	slots  []uint32
	shift  int    // home = sum[0] >> shift
	number uint32 // mask of the low bits that name a carrier
	width  int    // bits of number
	warmed uint32 // keeps the loads of warm from being optimised away
}

// smallest is the first size of the index.
const smallest = 1024

func newKeySet(maxKeys int) *keySet {
	s := &keySet{max: maxKeys, places: maxKeys + maxKeys/8 + 1, base: 1, head: 1, tail: 1}
	s.width = bits.Len(uint(s.places) + 2)
	s.number = 1<<s.width - 1
	s.resize(smallest)
	return s
}

// full tells whether the oldest has to go before another is added.
func (s *keySet) full() bool { return s.live >= s.max || s.held() >= s.places }

// held is how many carriers there are, forgotten ones in between included.
func (s *keySet) held() int { return int(s.tail - s.head) }

// at gives a carrier; nil: it is past, or forgotten.
func (s *keySet) at(n uint64) *carrier {
	if n < s.head || n >= s.tail {
		return nil
	}
	c := s.place(n)
	if c.state == forgotten {
		return nil
	}
	return c
}

// oldest gives the first carrier, forgotten or not; nil: there is none.
func (s *keySet) oldest() *carrier {
	if s.head == s.tail {
		return nil
	}
	return s.place(s.head)
}

func (s *keySet) place(n uint64) *carrier {
	at := n - s.base
	return &s.chunks[at/chunkSize][at%chunkSize]
}

// find gives the carrier of a sum, and its number; nil: there is none.
func (s *keySet) find(sum keySum) (*carrier, uint64) {
	if at, ok := s.slotOf(sum, 0); ok {
		n := s.numberIn(s.slots[at])
		return s.place(n), n
	}
	return nil, 0
}

// warm touches the memory that looking up the sums, and letting go of as many of
// the oldest carriers, is going to need. The loads of a whole batch overlap
// here; one lookup after the other would wait for main memory each time.
func (s *keySet) warm(sums []keySum) {
	var touched uint32
	for _, sum := range sums {
		touched ^= s.slots[sum[0]>>s.shift]
	}
	for _, sum := range sums {
		home := sum[0] >> s.shift
		if slot := s.slots[home]; slot != 0 && slot&^s.number == uint32(home)<<s.width {
			touched ^= uint32(s.place(s.numberIn(slot)).state)
		}
	}
	for n := s.head; n < min(s.head+uint64(len(sums)), s.tail); n++ {
		touched ^= s.slots[s.place(n).sum[0]>>s.shift]
	}
	s.warmed = touched
}

// slotOf finds the slot of a sum, and of a carrier's number where it is not 0.
func (s *keySet) slotOf(sum keySum, n uint64) (at uint64, ok bool) {
	mask := uint64(len(s.slots) - 1)
	home := sum[0] >> s.shift
	tag := uint32(home) << s.width
	for at = home; ; at = (at + 1) & mask {
		slot := s.slots[at]
		if slot == 0 {
			return at, false
		}
		if slot&^s.number != tag {
			continue
		}
		if n != 0 && slot&s.number == uint32(n)&s.number ||
			n == 0 && s.place(s.numberIn(slot)).sum == sum {
			return at, true
		}
	}
}

// numberIn gives the whole number of the carrier in a slot.
func (s *keySet) numberIn(slot uint32) uint64 {
	return s.head + uint64((slot-uint32(s.head))&s.number)
}

// add puts a carrier, whose sum is not there, behind the others.
func (s *keySet) add(c carrier) uint64 {
	if uint32(s.tail)&s.number == 0 {
		s.push(carrier{})
	}
	if 2*(s.live+1) > len(s.slots) {
		s.resize(2 * len(s.slots))
	}
	n := s.push(c)
	s.live++
	if !s.enter(c.sum, n) {
		s.resize(2 * len(s.slots))
	}
	return n
}

func (s *keySet) push(c carrier) uint64 {
	n := s.tail
	if n-s.base == uint64(len(s.chunks))*chunkSize {
		chunk := s.spare
		if s.spare = nil; chunk == nil {
			chunk = make([]carrier, chunkSize)
		}
		s.chunks = append(s.chunks, chunk)
	}
	s.tail++
	*s.place(n) = c
	return n
}

// enter puts a carrier into the index; false: the index is too crowded there.
func (s *keySet) enter(sum keySum, n uint64) bool {
	mask := uint64(len(s.slots) - 1)
	home := sum[0] >> s.shift
	at := home
	for s.slots[at] != 0 {
		at = (at + 1) & mask
	}
	if (at-home)&mask > s.farthest() {
		return false
	}
	s.slots[at] = uint32(home)<<s.width | uint32(n)&s.number
	return true
}

// farthest is how far from its home a slot can be and still tell which it was.
func (s *keySet) farthest() uint64 { return uint64(^uint32(0) >> s.width) }

// resize makes an index of so many slots, a power of two, or of more where they
// crowd. More help as long as sums are hashes: with maxMaxKeys keys it takes 256
// at one home, and those part when there are more homes.
func (s *keySet) resize(size int) {
	for ok := false; !ok; size *= 2 {
		s.slots = make([]uint32, size)
		s.shift = 64 - bits.Len(uint(size-1))
		ok = true
		for n := s.head; n < s.tail && ok; n++ {
			if c := s.place(n); c.state != forgotten {
				ok = s.enter(c.sum, n)
			}
		}
	}
}

// remove forgets a carrier that at has given.
func (s *keySet) remove(n uint64) {
	c := s.place(n)
	if at, ok := s.slotOf(c.sum, n); ok {
		s.vacate(at)
	}
	c.state = forgotten
	s.live--
}

// vacate empties a slot, and moves up those behind it that its place suits
// better.
func (s *keySet) vacate(hole uint64) {
	mask, far := uint64(len(s.slots)-1), s.farthest()
	for at := hole; ; {
		at = (at + 1) & mask
		slot := s.slots[at]
		if slot == 0 {
			break
		}
		pushed := (at - uint64(slot>>s.width)) & far & mask // from its home
		if pushed >= (at-hole)&mask {
			s.slots[hole] = slot
			hole = at
		}
	}
	s.slots[hole] = 0
}

// pop forgets the oldest carrier and ends its place in the order.
func (s *keySet) pop() {
	if s.place(s.head).state != forgotten {
		s.remove(s.head)
	}
	s.head++
	if s.head-s.base == chunkSize {
		s.spare = s.chunks[0]
		s.chunks = slices.Delete(s.chunks, 0, 1)
		s.base = s.head
	}
}
