package measure

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start("/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUsageIsThatOfTheProcess(t *testing.T) {
	p := shell(t, `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done`)
	usage, err := p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if usage.CPU <= 0 || usage.Wall < usage.CPU/2 {
		t.Errorf("got %+v; want CPU time, and no more than one core of it", usage)
	}
	if runtime.GOOS == "linux" && (usage.PeakRSS < 100<<10 || usage.PeakRSS > 50<<20 || usage.MeanRSS > usage.PeakRSS) {
		t.Errorf("got %+v; want the memory of a shell, not of the process that started it", usage)
	}
}

func TestAFailedProcessSaysWhy(t *testing.T) {
	p := shell(t, `echo first >&2; yes | head -c 10000 >&2; echo; echo the reason >&2; exit 3`)
	_, err := p.Wait(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.HasSuffix(err.Error(), "the reason") {
		t.Fatalf("got %v; want the status and what was said last", err)
	}
	if strings.Contains(err.Error(), "first") || len(err.Error()) > stderrKept+200 {
		t.Errorf("the error has %d bytes; want the end alone", len(err.Error()))
	}
}

func TestWaitKillsWhenItsContextEnds(t *testing.T) {
	p := shell(t, `trap '' TERM; while :; do read x < /dev/zero; done`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-p.Exited()
}

func TestStopAsksFirst(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	p := shell(t, `trap 'exit 0' TERM; : > `+ready+`; while :; do :; done`)
	for _, err := os.Stat(ready); err != nil; _, err = os.Stat(ready) {
		runtime.Gosched()
	}
	if runtime.GOOS == "linux" {
		if _, err := p.CPU(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Stop(t.Context()); err != nil {
		t.Errorf("a process that ends when asked: got %v", err)
	}
	if _, err := p.Stop(t.Context()); err != nil {
		t.Errorf("a second time: got %v", err)
	}
}

func TestStartOfNothing(t *testing.T) {
	if _, err := Start(filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("it started")
	}
}

func TestCPUOfReadsTicks(t *testing.T) {
	stat := "42 (a) name (x) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 99 1 1"
	if got, err := cpuOf([]byte(stat)); err != nil || got != 1750*time.Millisecond {
		t.Errorf("got %v, %v; want 1.75s", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1", strings.Replace(stat, "150", "many", 1)} {
		if _, err := cpuOf([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestStatusBytes(t *testing.T) {
	status := []byte("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\nVmBad:\tx kB\n")
	for name, want := range map[string]int64{"VmHWM:": 2 << 20, "VmRSS:": 1 << 20, "VmBad:": 0, "VmNone:": 0} {
		if got := statusBytes(status, name); got != want {
			t.Errorf("%s: got %d; want %d", name, got, want)
		}
	}
}

func TestIsCommand(t *testing.T) {
	for line, want := range map[string]bool{
		`+1339518083.107412 [0 127.0.0.1:60866] "xread" "COUNT" "5"`: true,
		`+1339518083.107412 [0 lua] "XREAD" "COUNT" "5"`:             true,
		`+1339518083.107412 [0 127.0.0.1:60866] "get" "xread"`:       false,
		`+1339518083.107412 [0 127.0.0.1:60866] "xreadgroup"`:        false,
		`+OK`: false,
	} {
		if got := isCommand(line, "xread"); got != want {
			t.Errorf("%s: got %v", line, got)
		}
	}
}
