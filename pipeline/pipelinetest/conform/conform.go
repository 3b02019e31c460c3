// Package conform holds the suites that every Source, Transform and Sink must pass,
// built in or not: the rules of package pipeline, as tests.
//
//	func TestGreetingsConform(t *testing.T) {
//		conform.Source(t, conform.SourceCase{Values: values, Fresh: func(t *testing.T) pipeline.Source { … }})
//	}
//
// A suite runs a subtest a promise, so that the name of the one that fails says
// what was broken:
//
//	order       a Source's "reads all in order"; a Sink's "delivers at Commit, in
//	            order"; a Transform's "leaves every record in the batch"
//	settlement  "removes nothing before Settle", "settles", "keeps its position";
//	            "delivers at Commit, in order", "stores positions", "a new lane ends
//	            the earlier one", "another instance ends all earlier lanes", "positions
//	            outlive the sink"; "takes again what was given up"
//	stop        "Close ends what waits", "a context ends what waits"; "Close beside
//	            Commit: both return"; "returns when its context has ended"
//	rewind      "rewinds to any position", "continues after any position"
//	close       "closes twice" of each, "says no more after Close"
//	goroutines  "leaves no goroutine", and every other subtest looks for them too
//
// What a part cannot keep by its nature is said in its case (SourceCase.Shared,
// SourceCase.OneByOne, SinkCase.Early; no SinkCase.Positions); the subtests that need it
// are left out then, and nothing else is. Whether positions outlive a sink is looked at
// only where the case can make it a second time (SinkCase.Reopen).
//
// Goroutines are counted from before Fresh is called to after what it left to
// t.Cleanup. Tests that run at the same time would be counted too, so do not call
// the suites from parallel tests. What a test binary starts once for all, start
// before.
//
// The package imports the standard library, package pipeline and goleak, and
// nothing else; servers to test on are in package pipelinetest, which imports
// more.
package conform

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// callPatience is how long a call may take that must not block, and callTime how
// long one takes at least to be where it blocks.
var (
	callPatience = 30 * time.Second
	callTime     = 20 * time.Millisecond
)

// leavesNothing checks at the very end of a test that no goroutine is left that was
// not there now. One that has failed may leave some.
func leavesNothing(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		if err := goleak.Find(before); err != nil {
			t.Errorf("after everything was closed: %v", err)
		}
	})
}

// within gives the error of a call, and ends the test where it does not return.
func within(t *testing.T, name string, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * callPatience): // its context has ended by then
		t.Fatalf("%s does not return", name)
		return nil
	}
}

// returns runs call, then end, and fails where call does not return. call says when
// it starts what may block.
func returns(t *testing.T, name string, call func(started func()), end func()) {
	t.Helper()
	started, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		call(func() { close(started) })
	}()
	<-started
	select {
	case <-done:
	case <-time.After(callTime): // it blocks by now, if it does
	}
	end()
	select {
	case <-done:
	case <-time.After(callPatience):
		t.Errorf("%s did not return within %v", name, callPatience)
	}
}
