// Package local holds the sources and sinks that need no server: stdin and
// stdout, files, a generator of shop events, and a sink that throws away.
//
// What they can promise:
//
//	source    position                       after a crash
//	stdin     lines read so far              what was not yet delivered is lost with the process
//	file      bytes read so far              continues after the committed line
//	generate  events made so far             continues after the committed event
//
//	sink      accepts a record when          delivery
//	stdout    it is written                  at least once
//	file      it is written and synced       at least once
//	drop      always                         at least once
package local
