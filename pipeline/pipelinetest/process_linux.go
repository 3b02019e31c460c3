package pipelinetest

import "syscall"

// tied makes a program end with the process that started it, however that ends,
// and keeps the terminal's Ctrl-C from it: its owner stops it.
func tied() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
