//go:build !linux

package host

import "syscall"

// ownGroup makes a process the leader of a group. That this process is gone, the SDKs see.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
