package pipelinetest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Unhurried runs tests, and then waits for goroutines that end by themselves, for
// goleak.VerifyTestMain, which waits for half a second only: go-redis sleeps for up to a
// second after a pool that could not connect was closed. Who stays longer is a leak.
type Unhurried struct {
	M      *testing.M
	Ignore []goleak.Option // what is handed to VerifyTestMain too
}

// Run gives the exit code of the tests.
func (u Unhurried) Run() int {
	code := u.M.Run()
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until) && goleak.Find(u.Ignore...) != nil; {
		continue // Find waits
	}
	return code
}
