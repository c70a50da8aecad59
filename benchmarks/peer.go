// What garden-linux used: Go's os/exec with its SysProcAttr.
//
// Usage: peer MAX_UID. For each line "MODE COUNT PAUSE" on stdin it starts /bin/true COUNT
// times, PAUSE microseconds apart, and answers with one line: for each start, the
// nanoseconds until it had started, and until it was reaped.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const namespaces = syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS |
	syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID

func attributes(privileged bool, maxUID int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: namespaces, Setpgid: true}
	if privileged {
		return attr
	}
	garden := []syscall.SysProcIDMap{
		{ContainerID: 0, HostID: maxUID, Size: 1},
		{ContainerID: 1, HostID: 1, Size: maxUID - 1},
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings, attr.GidMappings = garden, garden
	attr.GidMappingsEnableSetgroups = true
	attr.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	return attr
}

func start(privileged bool, maxUID int) (started, reaped time.Duration) {
	begin := time.Now()
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = attributes(privileged, maxUID)
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	started = time.Since(begin)
	if err := cmd.Wait(); err != nil {
		panic(err)
	}
	return started, time.Since(begin)
}

func main() {
	maxUID, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var mode string
	var count, pause int
	for {
		if _, err := fmt.Scanln(&mode, &count, &pause); err != nil {
			return
		}
		var answer strings.Builder
		for i := 0; i < count; i++ {
			if pause > 0 {
				time.Sleep(time.Duration(pause) * time.Microsecond)
			}
			started, reaped := start(mode == "privileged", maxUID)
			fmt.Fprint(&answer, started.Nanoseconds(), " ", reaped.Nanoseconds(), " ")
		}
		fmt.Println(answer.String())
	}
}
