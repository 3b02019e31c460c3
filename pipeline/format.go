package pipeline

import "context"

// Format turns bytes into values, and values into bytes. Both methods may be called
// from several goroutines at once, for different batches.
//
// An error of class Permanent is of the one value, and says nothing of what stands in
// it: on_error decides about its record. Any other error (a schema registry is away)
// is of the batch, which is given up and comes again.
type Format interface {
	// Read gives the value that raw stands for, as the value of a record of b. raw is
	// neither changed nor copied where the value can be it; new bytes are taken from
	// b.Arena. It reads raw to its end.
	Read(ctx context.Context, b *Batch, raw []byte) (Value, error)
	// Write makes the bytes of v, a value of a record of b, those of the format, so
	// that v.Raw gives them; where there is an error, v is as it was.
	Write(ctx context.Context, b *Batch, v *Value) error
}

// RecordFormat is a Format that has a part of what it reads and writes in headers, where
// there is a whole record: CloudEvents. Errors as those of Read and Write; with one, the
// record is as it was.
type RecordFormat interface {
	Format
	ReadRecord(ctx context.Context, b *Batch, r *Record) error
	WriteRecord(ctx context.Context, b *Batch, r *Record) error
}

// Writable is a Format that cannot always write: it is only for reading, or its settings
// lack what writing takes.
type Writable interface {
	// Writable says why it cannot write; nil: it can.
	Writable() error
}

// Named is a component that the settings of another one name: a format within a
// format, or of one field. Package config checks the name and decodes the settings.
type Named struct {
	Component string
	Settings  any // a pointer, as the component takes it; nil: it has none
}
