package redis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// The fields of an entry that is a Watermill message, as watermill-redisstream
// v1.4.5 writes them (DefaultMarshallerUnmarshaller): the uuid, the metadata as a
// msgpack map of strings, empty where there are none, and the payload. Under the
// first name watermill-kafka writes the uuid as a header.
const (
	uuidField     = "_watermill_message_uuid"
	metadataField = "metadata"
	payloadField  = "payload"
)

var (
	errReserved    = errors.New("metadata " + uuidField + " is reserved for the message's uuid")
	errNoUUID      = errors.New("the entry is no Watermill message: it has no field " + uuidField)
	errTooMany     = fmt.Errorf("it has more metadata than the %d that are taken", maxFields)
	errNotMetadata = errors.New("the entry is no Watermill message: its field " + metadataField + " is not a msgpack map of strings")
)

// entryOf gives the fields of an entry that is the message, names and values in
// turn.
func entryOf(m *message.Message) ([]any, error) {
	if m.Metadata.Get(uuidField) != "" {
		return nil, errReserved
	}
	return []any{uuidField, m.UUID, metadataField, appendMetadata(nil, m.Metadata), payloadField, []byte(m.Payload)}, nil
}

// messageOf makes a message of an entry's fields, each time a new one: whom it is
// handed to may change it. Without a payload it is empty; other fields are passed over.
func messageOf(fields map[string]any) (*message.Message, error) {
	uuid, ok := fields[uuidField].(string)
	if !ok {
		return nil, errNoUUID
	}
	payload, _ := fields[payloadField].(string)
	m := message.NewMessage(uuid, []byte(payload))
	metadata, _ := fields[metadataField].(string)
	err := eachMetadata([]byte(metadata), func(key, value []byte) error {
		m.Metadata[string(key)] = string(value)
		return nil
	})
	return m, err
}

// unpack puts the metadata of a Watermill message in the place of the header that was
// made of their field. Fields that are none of a message's stay headers. An error
// leaves the headers as they were. The batch's bytes are those of the headers that it has
// then.
func unpack(b *pipeline.Batch, record *pipeline.Record) error {
	uuid := slices.IndexFunc(record.Headers, func(h pipeline.Header) bool { return h.Key == uuidField })
	if uuid < 0 {
		return errNoUUID
	}
	packed := slices.IndexFunc(record.Headers, func(h pipeline.Header) bool { return h.Key == metadataField })
	if record.Value.Raw() == nil {
		record.Value = pipeline.RawValue([]byte{}) // empty, not none
	}
	if packed < 0 {
		return nil
	}
	var unpacked []pipeline.Header
	more := -len(metadataField) - len(record.Headers[packed].Value)
	err := eachMetadata(record.Headers[packed].Value, func(key, value []byte) error {
		switch {
		case string(key) == uuidField:
			return errReserved
		case len(unpacked) == maxFields:
			return errTooMany
		}
		unpacked = append(unpacked, pipeline.Header{Key: string(key), Value: value})
		more += len(key) + len(value)
		return nil
	})
	if err == nil {
		record.Headers = slices.Replace(record.Headers, packed, packed+1, unpacked...)
		b.Bytes += more
	}
	return err
}

// appendMetadata writes metadata in msgpack
// (https://github.com/msgpack/msgpack/blob/master/spec.md); of none, nothing.
func appendMetadata(dst []byte, metadata message.Metadata) []byte {
	switch n := len(metadata); {
	case n == 0:
		return dst
	case n < 1<<4:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xde), uint16(n)) //nolint:gosec // it fits
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdf), uint32(n)) //nolint:gosec // no map is larger
	}
	for key, value := range metadata {
		dst = appendText(appendText(dst, key), value)
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	switch n := len(text); {
	case n < 1<<5:
		dst = append(dst, 0xa0|byte(n))
	case n < 1<<8:
		dst = append(dst, 0xd9, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n)) //nolint:gosec // it fits
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n)) //nolint:gosec // Redis takes 512 MiB
	}
	return append(dst, text...)
}

// eachMetadata calls pair for the metadata of an entry, in order, with parts of
// raw. It takes what watermill-redisstream takes.
func eachMetadata(raw []byte, pair func(key, value []byte) error) error {
	if len(raw) == 0 {
		return nil
	}
	n, rest, ok := packedLength(raw, packedMap)
	for range n {
		var key, value []byte
		if key, rest, ok = packedText(rest, ok); !ok {
			break
		}
		if value, rest, ok = packedText(rest, ok); !ok {
			break
		}
		if err := pair(key, value); err != nil {
			return err
		}
	}
	if !ok {
		return errNotMetadata
	}
	return nil
}

// packed is a kind of msgpack: the code, its bits that are the length, and the codes
// that 1, 2 and 4 bytes of length follow; 0xc1, which msgpack never uses: there is none.
type packed struct {
	fix, mask byte
	long      [3]byte
}

var (
	packedMap    = packed{fix: 0x80, mask: 0x0f, long: [3]byte{0xc1, 0xde, 0xdf}}
	packedString = packed{fix: 0xa0, mask: 0x1f, long: [3]byte{0xd9, 0xda, 0xdb}}
	packedBytes  = packed{fix: 0xc4, mask: 0, long: [3]byte{0xc4, 0xc5, 0xc6}}
)

const packedNil = 0xc0

// packedLength reads the head of a value of one kind; nil has length 0.
func packedLength(raw []byte, kind packed) (n int, rest []byte, ok bool) {
	if len(raw) == 0 {
		return 0, nil, false
	}
	code, rest := raw[0], raw[1:]
	switch {
	case code == packedNil:
		return 0, rest, true
	case kind.mask != 0 && code&^kind.mask == kind.fix:
		return int(code & kind.mask), rest, true
	case code == kind.long[0] && len(rest) >= 1:
		return int(rest[0]), rest[1:], true
	case code == kind.long[1] && len(rest) >= 2:
		return int(binary.BigEndian.Uint16(rest)), rest[2:], true
	case code == kind.long[2] && len(rest) >= 4:
		return int(binary.BigEndian.Uint32(rest)), rest[4:], true
	}
	return 0, raw, false
}

// packedText reads a text; ok is false where the one before was none.
func packedText(raw []byte, ok bool) (text, rest []byte, _ bool) {
	if !ok {
		return nil, raw, false
	}
	n, rest, ok := packedLength(raw, packedString)
	if !ok {
		n, rest, ok = packedLength(raw, packedBytes)
	}
	if !ok || n > len(rest) {
		return nil, raw, false
	}
	return rest[:n], rest[n:], true
}
