// The oracle starts commands through Go's os/exec as garden-linux's executer
// asked for them. It reads one JSON job a line from stdin and answers each with
// one line of JSON on stdout; see job and answer.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
)

// A file is opened here, so that what the child inherits is this program's doing.
type file struct {
	Path   string `json:"path"`
	Write  bool   `json:"write"`
	Closed bool   `json:"closed"`
}

type job struct {
	Args       []string `json:"args"`
	Privileged bool     `json:"privileged"`
	MaxUID     int      `json:"max_uid"`
	ExtraFiles []file   `json:"extra_files"`
	Dir        string   `json:"cwd"`
	Path       *string  `json:"PATH"` // what the program is looked up in; null: unset
	OnlyLook   bool     `json:"only_look"`
}

type answer struct {
	Pid    int    `json:"pid"`
	Status int    `json:"status"`
	Path   string `json:"path"`
	Error  string `json:"error"`
}

const garden = syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS |
	syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID

func attributes(j job) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: garden, Setpgid: true}
	if j.Privileged {
		return attr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	ids := []syscall.SysProcIDMap{
		{ContainerID: 0, HostID: j.MaxUID, Size: 1},
		{ContainerID: 1, HostID: 1, Size: j.MaxUID - 1},
	}
	attr.UidMappings = ids
	attr.GidMappings = ids
	attr.GidMappingsEnableSetgroups = true
	attr.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	return attr
}

func open(wanted file) (*os.File, error) {
	flags := os.O_RDONLY
	if wanted.Write {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	opened, err := os.OpenFile(wanted.Path, flags, 0o666)
	if err == nil && wanted.Closed {
		opened.Close()
	}
	return opened, err
}

func run(j job) (result answer) {
	if j.Path == nil {
		os.Unsetenv("PATH")
	} else {
		os.Setenv("PATH", *j.Path)
	}
	cmd := exec.Command(j.Args[0], j.Args[1:]...)
	result.Path = cmd.Path
	if j.OnlyLook {
		if _, err := exec.LookPath(j.Args[0]); err != nil {
			result.Error = err.Error()
		}
		return result
	}
	cmd.Dir = j.Dir
	cmd.SysProcAttr = attributes(j)
	for _, wanted := range j.ExtraFiles {
		opened, err := open(wanted)
		if err != nil {
			panic(err)
		}
		defer opened.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, opened)
	}
	if err := cmd.Start(); err != nil {
		result.Error = err.Error()
		return result
	}
	result.Pid = cmd.Process.Pid
	cmd.Wait()
	result.Status = int(cmd.ProcessState.Sys().(syscall.WaitStatus))
	return result
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var j job
		if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
			panic(err)
		}
		if err := answers.Encode(run(j)); err != nil {
			panic(err)
		}
	}
}
