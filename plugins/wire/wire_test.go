package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func bytesOf(t *rapid.T, name string) []byte {
	return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name)
}

func recordOf(t *rapid.T) Record {
	r := Record{Parts: Parts(rapid.Byte().Draw(t, "parts")), Key: bytesOf(t, "key"), Value: bytesOf(t, "value"), Topic: bytesOf(t, "topic"), Time: rapid.Int64().Draw(t, "time"), Headers: []Header{}}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers = append(r.Headers, Header{bytesOf(t, "name"), bytesOf(t, "value of a header")})
	}
	return r
}

// TestRecordsReadAgain: what is written is read, and nothing of it is left; of no shorter
// block is all of it read.
func TestRecordsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var block []byte
		want := make([]Record, rapid.IntRange(1, 4).Draw(t, "records"))
		size := 0
		for i := range want {
			want[i] = recordOf(t)
			size += want[i].Size()
			block = AppendRecord(block, &want[i])
		}
		if len(block) != size {
			t.Fatalf("%d bytes, and Size says %d", len(block), size)
		}
		read := func(block []byte) error {
			r := NewReader(block)
			for i := range want {
				got := Record{Headers: []Header{}}
				if err := r.Record(&got); err != nil {
					return err
				}
				if !reflect.DeepEqual(got, want[i]) {
					t.Fatalf("got %+v, want %+v", got, want[i])
				}
			}
			if !r.Done() {
				t.Fatal("something is left")
			}
			return nil
		}
		if err := read(block); err != nil {
			t.Fatal(err)
		}
		if err := read(block[:rapid.IntRange(0, len(block)-1).Draw(t, "cut")]); !errors.Is(err, ErrShort) {
			t.Fatalf("of a block that is cut: %v", err)
		}
	})
}

func TestAnswers(t *testing.T) {
	block := AppendRun(nil, Keep, 7)
	block = AppendRefusal(block, "no", true)
	block = AppendRefusal(block, "", false)
	block = AppendRun(block, Drop, 1)
	block = AppendBecome(block, 2)
	r := NewReader(block)
	for i, want := range []Answer{{Kind: Keep, N: 7}, {Kind: Refuse, Why: []byte("no"), MayPass: true}, {Kind: Refuse, Why: []byte{}}, {Kind: Drop, N: 1}, {Kind: Become, N: 2}} {
		got, err := r.Answer()
		if err != nil || got.Kind != want.Kind || got.N != want.N || got.MayPass != want.MayPass || !bytes.Equal(got.Why, want.Why) {
			t.Errorf("answer %d: got %+v, %v, want %+v", i, got, err, want)
		}
	}
	if !r.Done() {
		t.Error("something is left")
	}
	for _, bad := range [][]byte{{0}, {5, 1, 0, 0, 0}, {1, 0, 0, 0, 0}, {4, 0, 0, 0, 0}, {1, 0xff, 0xff, 0xff, 0xff}} {
		if _, err := NewReader(bad).Answer(); !errors.Is(err, ErrKind) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// FuzzReader: no block makes it panic, or read more than there is.
func FuzzReader(f *testing.F) {
	f.Add(AppendRecord(AppendBecome(AppendRefusal(AppendRun(nil, Keep, 3), "why", true), 1), &Record{Parts: NewValue, Value: []byte("v"), Headers: []Header{{[]byte("a"), []byte("b")}}}))
	f.Fuzz(func(_ *testing.T, block []byte) {
		r, record := NewReader(block), Record{}
		for !r.Done() {
			a, err := r.Answer()
			for i := 0; err == nil && a.Kind == Become && i < a.N; i++ {
				err = r.Record(&record)
			}
			if err != nil {
				return
			}
		}
	})
}
