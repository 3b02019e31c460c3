package demo

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Plain writes a line of figures from time to time, for those who are no terminal,
// until ctx ends. The error is that of w.
func Plain(ctx context.Context, w io.Writer, every time.Duration, figures func() Figures) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var m meter
	for {
		select {
		case <-ticker.C:
			f := figures()
			if _, err := fmt.Fprintln(w, f.line(m.rate(f.Elapsed, f.Arrived))); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// line gives the figures as a line.
func (f Figures) line(rate float64) string {
	line := fmt.Sprintf("%4.0fs  %s  pushed %d  in Kafka %d  %.0f/s  waiting %d  position %d",
		f.Elapsed.Seconds(), f.State.Name, f.Pushed, f.Arrived, rate, f.waiting(), f.position())
	if f.State.Reason != "" {
		return line + "  " + f.State.Reason
	}
	if n := len(f.Last); n > 0 {
		last := f.Last[n-1]
		line += fmt.Sprintf("  last: partition %d offset %d key %s", last.Partition, last.Offset, last.Key)
	}
	return line
}
