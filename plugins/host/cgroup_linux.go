package host

import (
	"errors"
	"fmt"
	"os"
	"path"
	"sync/atomic"
	"syscall"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/opencontainers/runtime-spec/specs-go"
)

const (
	// cgroupMount is where cgroups are mounted, by convention (hier(7), cgroups(7)).
	cgroupMount = "/sys/fs/cgroup"
	// cpuPeriod is within what time CPU is meted out, in microseconds: the kernel's default.
	cpuPeriod uint64 = 100_000
)

// cgroup is a group of processes whose memory and CPU the kernel bounds (cgroups(7)). A
// process belongs to it with all that it starts, whatever they do.
type cgroup struct {
	add     func(pid uint64) error
	pids    func() ([]int, error)
	starved func() bool // the kernel has killed for want of memory
	remove  func() error
}

// groups counts those that were made, for their names.
var groups atomic.Uint64

// newCgroup makes a group with the limits of settings; a limit of 0 is none. The error says
// why this process may not. The caller closes it.
func newCgroup(memory int64, cpus float64) (*cgroup, error) {
	name := fmt.Sprintf("penstock-plugin-%d-%d", os.Getpid(), groups.Add(1))
	if cgroups.Mode() == cgroups.Unified {
		return newUnified(name, memory, cpus)
	}
	return newLegacy(name, memory, cpus)
}

// newUnified makes one of cgroup v2, beside the group of this process: a group that has
// processes cannot have groups with limits (cgroup-v2, "no internal process").
func newUnified(name string, memory int64, cpus float64) (*cgroup, error) {
	own, err := cgroup2.NestedGroupPath("")
	if err != nil {
		return nil, err
	}
	limits := &cgroup2.Resources{}
	if memory > 0 {
		limits.Memory = &cgroup2.Memory{Max: &memory}
	}
	if cpus > 0 {
		quota, period := quotaOf(cpus), cpuPeriod
		limits.CPU = &cgroup2.CPU{Max: cgroup2.NewCPUMax(&quota, &period)}
	}
	m, err := cgroup2.NewManager(cgroupMount, path.Join(path.Dir(own), name), limits)
	if err != nil {
		return nil, err
	}
	return &cgroup{
		add: m.AddProc, remove: m.Delete,
		pids: func() (pids []int, err error) {
			all, err := m.Procs(true)
			for _, pid := range all {
				pids = append(pids, int(pid)) //nolint:gosec // a number that the kernel gives
			}
			return pids, err
		},
		starved: func() bool {
			stat, err := m.StatFiltered(cgroup2.StatMemoryEvents)
			return err == nil && stat.GetMemoryEvents().GetOomKill() > 0
		},
	}, nil
}

// newLegacy makes one of cgroup v1, below the groups of this process.
func newLegacy(name string, memory int64, cpus float64) (*cgroup, error) {
	limits, controllers := &specs.LinuxResources{}, []cgroup1.Subsystem{}
	if memory > 0 {
		limits.Memory = &specs.LinuxMemory{Limit: &memory}
		controllers = append(controllers, cgroup1.NewMemory(cgroupMount, cgroup1.IgnoreModules("memsw", "kmem", "kmem.tcp")))
	}
	if cpus > 0 {
		quota, period := quotaOf(cpus), cpuPeriod
		limits.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
		controllers = append(controllers, cgroup1.NewCpu(cgroupMount))
	}
	g, err := cgroup1.New(cgroup1.NestedPath(name), limits, cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return controllers, nil }))
	if err != nil {
		return nil, err
	}
	return &cgroup{
		add: func(pid uint64) error { return g.AddProc(pid) }, remove: g.Delete,
		pids: func() (pids []int, err error) {
			all, err := g.Processes(controllers[0].Name(), true)
			for _, process := range all {
				pids = append(pids, process.Pid)
			}
			return pids, err
		},
		starved: func() bool {
			stat, err := g.Stat(cgroup1.IgnoreNotExist)
			return err == nil && stat.GetMemoryOomControl().GetOomKill() > 0
		},
	}, nil
}

// quotaOf gives the CPU time of a period, in microseconds; the kernel wants 1 ms at least.
func quotaOf(cpus float64) int64 { return max(int64(cpus*float64(cpuPeriod)), 1000) }

// close kills what is left in the group, and removes it.
func (g *cgroup) close() error {
	pids, err := g.pids()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // it is gone, then
	}
	return errors.Join(err, g.remove())
}
