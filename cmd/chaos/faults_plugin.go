package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fellsAtOnce is how many kills of a plugin are one fault.
const fellsAtOnce = 10

// pluginKills are kills of the plugin, and in the middle one of Penstock: its plugin goes
// with it.
func pluginKills(s sizes) []fault {
	var all []fault
	for n := range s.fells / fellsAtOnce {
		all = append(all, perJob(fmt.Sprintf("kill -9 of the plugin, %d times", fellsAtOnce), killPlugin))
		if n == s.fells/fellsAtOnce/2 {
			all = append(all, perJob("kill -9", killAtRandom))
		}
	}
	return all
}

// killPlugin kills a process of the plugin again and again, each time a little after it is
// there: some while they start.
func killPlugin(ctx context.Context, j *job) error {
	for range fellsAtOnce {
		var running []int
		if err := eventually(ctx, time.Minute, "the plugin runs", func() bool {
			running = childrenOf(j.instances[0].pid())
			return len(running) > 0
		}); err != nil {
			return err
		}
		if err := wait(ctx, time.Duration(j.chance.Int64N(int64(150*time.Millisecond)))); err != nil {
			return err
		}
		_ = syscall.Kill(running[j.chance.IntN(len(running))], syscall.SIGKILL) // it may have ended
	}
	return nil
}

// childrenOf gives the processes that a process has started and that run (proc(5)).
func childrenOf(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var all []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}
