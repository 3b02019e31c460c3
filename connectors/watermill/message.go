package watermill

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // a name, not a secret
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// message makes the message of a record.
func (l *lane) message(b *pipeline.Batch, r *pipeline.Record, payload []byte) *message.Message {
	m := message.NewMessage("", bytes.Clone(payload))
	for _, h := range r.Headers {
		if h.Key == uuidHeader {
			m.UUID = string(h.Value)
			continue
		}
		m.Metadata.Set(h.Key, string(h.Value))
	}
	if m.UUID == "" {
		m.UUID = originUUID(l.id.Pipeline, b, r)
	}
	if name := l.sink.config.KeyMetadata; name != "" && r.Key != nil {
		m.Metadata.Set(name, string(r.Key))
	}
	return m
}

// deadLetter makes the dead letter of a record: its original bytes, and metadata that
// say pipeline, stage, transform, error, origin and time.
func (l *lane) deadLetter(b *pipeline.Batch, r *pipeline.Record, now time.Time) *message.Message {
	m := l.message(b, r, r.Original)
	letter := pipeline.NewDeadLetter(l.id.Pipeline, b, r, now)
	for _, said := range letter.Described() {
		m.Metadata.Set(said.Key, string(said.Value))
	}
	return m
}

// originUUID makes a UUID (RFC 9562, version 5) of where a record comes from.
func originUUID(pipe string, b *pipeline.Batch, r *pipeline.Record) string {
	h := sha1.New() //nolint:gosec // as the RFC says
	for _, part := range []string{pipe, b.Shard, b.After.Incarnation} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Offset.Major), r.Offset.Minor))
	if r.Part > 0 {
		h.Write(binary.BigEndian.AppendUint32(nil, r.Part))
	}
	id := h.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	text := hex.EncodeToString(id)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
