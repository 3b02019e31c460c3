// Package trial tries the stages of a pipeline with the records of its tests: each
// record is a batch of its own, carried through the real stages as the engine does it,
// under a clock of the test's own. It reads from nobody, writes to nobody, and does not
// wait: what a stage refuses is not tried again.
//
// What became of the records is held against what was expected as two texts, line by
// line. Where the test does not look (a field that is not written in expect, the fields'
// order, 6 or 6.0) the second text says what the first one says, so that they differ
// where the test fails and nowhere else.
package trial
