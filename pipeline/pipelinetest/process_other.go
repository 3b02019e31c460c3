//go:build unix && !linux

package pipelinetest

import "syscall"

// tied keeps the terminal's Ctrl-C from a program: its owner stops it. Outside
// Linux a server outlives an owner that was killed.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
