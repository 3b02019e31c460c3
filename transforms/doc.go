// Package transforms holds the transforms that are built in, a file each: filter,
// dedupe, set, compute, drop, rename, and key, which makes the key of a record for
// the sink. NewWhen limits any transform to some of the records.
//
// A transform has a struct of settings (its tags are explained in package config)
// and a constructor; what cannot be done with one record is an error of that
// record (Record.Fail), and its text holds no payload.
package transforms
