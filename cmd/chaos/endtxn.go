package main

import (
	"encoding/binary"
	"sync/atomic"

	bytestream "github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// endTxnKey is the key of Kafka's request EndTxn.
const endTxnKey = 26

// droppedEnds counts the replies to EndTxn that were dropped.
var droppedEnds atomic.Int64

// dropEndTxnReply is a toxic for what goes to a broker: it lets every third EndTxn
// through, whole, and ends the connection then. The broker carries it out, and nobody
// hears how it ended.
type dropEndTxnReply struct{ met atomic.Int64 }

const dropEvery = 3

func init() { toxics.Register("drop_end_txn_reply", new(dropEndTxnReply)) } //nolint:gochecknoinits // toxiproxy has a registry

// Pipe reads the requests' sizes and keys, wherever the chunks begin and end.
func (d *dropEndTxnReply) Pipe(stub *toxics.ToxicStub) {
	frames, _ := stub.State.(*frames)
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			end := frames.scan(chunk.Data)
			stub.Output <- &bytestream.StreamChunk{Data: chunk.Data, Timestamp: chunk.Timestamp}
			if end && d.met.Add(1)%dropEvery == 0 {
				droppedEnds.Add(1)
				stub.Close()
				return
			}
		}
	}
}

// NewState gives the state of a connection. One that was open before is joined in the
// middle of a request: so who adds the toxic stops the proxy before.
func (*dropEndTxnReply) NewState() any { return &frames{} }

// frames follows requests: four bytes of size, two of key, the rest.
type frames struct {
	head []byte // of the request, until size and key are known
	left int    // bytes of the request that are still to come
	ends bool   // it is an EndTxn
}

// scan goes over bytes, and tells whether an EndTxn has ended in them.
func (f *frames) scan(b []byte) bool {
	for len(b) > 0 {
		if f.left == 0 {
			n := min(6-len(f.head), len(b))
			f.head, b = append(f.head, b[:n]...), b[n:]
			if len(f.head) < 6 {
				return false
			}
			f.left = int(binary.BigEndian.Uint32(f.head)) - 2
			f.ends = binary.BigEndian.Uint16(f.head[4:]) == endTxnKey
			f.head = f.head[:0]
			continue
		}
		n := min(f.left, len(b))
		f.left, b = f.left-n, b[n:]
		if f.left == 0 && f.ends {
			return true
		}
	}
	return false
}
