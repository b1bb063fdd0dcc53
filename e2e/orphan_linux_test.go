package e2e

import (
	"os/exec"
	"syscall"
)

// endWithTest has a program end with this process, also when that is killed and cleans
// nothing up.
func endWithTest(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
}
