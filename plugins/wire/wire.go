// Package wire is the protocol between Penstock and its plugins: the service that a plugin
// serves over gRPC (transform.proto), what go-plugin's handshake needs, and the blocks that
// records are packed in. README.md holds all of it for other languages.
package wire

import (
	"encoding/binary"
	"errors"
)

// The handshake of go-plugin. Frozen for protocol 1.
const (
	// Version is the version of the protocol.
	Version = 1
	// CookieName is the environment variable that tells a program that it was started as a
	// plugin, and CookieValue what it holds. It is no secret.
	CookieName = "PENSTOCK_PLUGIN"
	// CookieValue is the value of CookieName.
	CookieValue = "transform"
	// PluginName is what the plugin is called among those that a process serves.
	PluginName = "transform"
	// MaxMessage bounds a message of gRPC, in bytes.
	MaxMessage = 64 << 20
	// Window is how much each side lets the other send ahead, in bytes: a batch and more.
	Window = 8 << 20
	// Buffer is how much is written and read at once, in bytes.
	Buffer = 256 << 10
)

// Header is one header of a record.
type Header struct{ Name, Value []byte }

// Record is a record in a block. Its bytes are those of the block.
type Record struct {
	Parts   Parts
	Key     []byte
	Value   []byte
	Topic   []byte
	Headers []Header
	Time    int64 // Unix milliseconds
}

// Parts say what a record has, and in an answer, which of its parts are others now.
type Parts uint8

// The parts.
const (
	HasKey     Parts = 1 << iota // it has a key, which may be empty
	NewKey                       // in answers: key and HasKey count; else the key is as it was
	NewValue                     // in answers, as NewKey: the value counts
	NewTopic                     // the topic counts
	NewHeaders                   // the headers count, all of them
	NewTime                      // the time counts
)

// recordHeader is the size of what precedes the bytes of a record: parts (1 byte), a
// byte that is zero, how many headers (2), the lengths of key, value and topic (4 each), and the
// time (8). All numbers are little-endian.
const recordHeader = 1 + 1 + 2 + 3*4 + 8

// MaxHeaders is how many headers a record in a block has at most.
const MaxHeaders = 1<<16 - 1

// Size is how many bytes AppendRecord adds for a record.
func (r *Record) Size() int {
	n := recordHeader + len(r.Key) + len(r.Value) + len(r.Topic)
	for _, h := range r.Headers {
		n += 8 + len(h.Name) + len(h.Value)
	}
	return n
}

// AppendRecord adds a record to a block: what precedes it, key, value, topic, and the
// headers, each as the lengths of name and value, name and value.
func AppendRecord(block []byte, r *Record) []byte {
	le := binary.LittleEndian
	block = append(block, byte(r.Parts), 0)
	block = le.AppendUint16(block, uint16(len(r.Headers))) //nolint:gosec // callers keep to MaxHeaders
	for _, part := range [][]byte{r.Key, r.Value, r.Topic} {
		block = le.AppendUint32(block, uint32(len(part))) //nolint:gosec // a block is shorter than MaxMessage
	}
	block = le.AppendUint64(block, uint64(r.Time)) //nolint:gosec // two's complement
	block = append(append(append(block, r.Key...), r.Value...), r.Topic...)
	for _, h := range r.Headers {
		block = le.AppendUint32(block, uint32(len(h.Name)))  //nolint:gosec // as above
		block = le.AppendUint32(block, uint32(len(h.Value))) //nolint:gosec // as above
		block = append(append(block, h.Name...), h.Value...)
	}
	return block
}

// Kind is what an answer says of the records that come next.
type Kind uint8

// The kinds of answers. The numbers behind each are 4 bytes, little-endian.
const (
	Keep   Kind = 1 // n: the next n records go on as they came
	Drop   Kind = 2 // n: the next n records go no further
	Refuse Kind = 3 // one byte, 1 where it may pass when tried again; n; n bytes of UTF-8: why the next record is refused
	Become Kind = 4 // n, at least 1; then n records: what the next record becomes
)

// AppendRun adds an answer of kind Keep or Drop for n records.
func AppendRun(block []byte, kind Kind, n int) []byte {
	return binary.LittleEndian.AppendUint32(append(block, byte(kind)), uint32(n)) //nolint:gosec // records of a batch
}

// AppendRefusal adds an answer of kind Refuse.
func AppendRefusal(block []byte, why string, mayPass bool) []byte {
	may := byte(0)
	if mayPass {
		may = 1
	}
	block = binary.LittleEndian.AppendUint32(append(block, byte(Refuse), may), uint32(len(why))) //nolint:gosec // a text
	return append(block, why...)
}

// AppendBecome adds the beginning of an answer of kind Become; the n records follow.
func AppendBecome(block []byte, n int) []byte { return AppendRun(block, Become, n) }

// ErrShort is the error of a block that ends too early, or says so.
var ErrShort = errors.New("the block ends in the middle of something")

// Reader reads a block. Nothing is copied.
type Reader struct{ rest []byte }

// NewReader reads a block from its beginning.
func NewReader(block []byte) *Reader { return &Reader{block} }

// Done tells whether the block is at its end.
func (r *Reader) Done() bool { return len(r.rest) == 0 }

// take gives the next n bytes.
func (r *Reader) take(n uint32) ([]byte, error) {
	if uint64(n) > uint64(len(r.rest)) {
		return nil, ErrShort
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken, nil
}

// Record reads a record into to, whose memory for headers it uses. The error is ErrShort.
func (r *Reader) Record(to *Record) error {
	head, err := r.take(recordHeader)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	headers := int(le.Uint16(head[2:]))
	to.Parts, to.Time = Parts(head[0]), int64(le.Uint64(head[16:])) //nolint:gosec // two's complement
	for i, part := range []*[]byte{&to.Key, &to.Value, &to.Topic} {
		if *part, err = r.take(le.Uint32(head[4+4*i:])); err != nil {
			return err
		}
	}
	to.Headers = to.Headers[:0]
	for range headers {
		lengths, err := r.take(8)
		if err != nil {
			return err
		}
		var h Header
		if h.Name, err = r.take(le.Uint32(lengths)); err != nil {
			return err
		}
		if h.Value, err = r.take(le.Uint32(lengths[4:])); err != nil {
			return err
		}
		to.Headers = append(to.Headers, h)
	}
	return nil
}

// Answer is the head of an answer. For Become, n records follow it.
type Answer struct {
	Kind    Kind
	N       int    // of Keep, Drop and Become
	Why     []byte // of Refuse
	MayPass bool   // of Refuse
}

// ErrKind is the error of an answer of no kind that is known, or of none.
var ErrKind = errors.New("the block holds an answer of no known kind")

// Answer reads the head of an answer. Errors: ErrShort, ErrKind.
func (r *Reader) Answer() (Answer, error) {
	kind, err := r.take(1)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Kind: Kind(kind[0])}
	if a.Kind < Keep || a.Kind > Become {
		return a, ErrKind
	}
	if a.Kind == Refuse {
		may, err := r.take(1)
		if err != nil {
			return a, err
		}
		a.MayPass = may[0] == 1
	}
	number, err := r.take(4)
	if err != nil {
		return a, err
	}
	n := binary.LittleEndian.Uint32(number)
	if a.Kind == Refuse {
		a.Why, err = r.take(n)
		return a, err
	}
	if n == 0 || n > MaxMessage {
		return a, ErrKind
	}
	a.N = int(n)
	return a, nil
}
