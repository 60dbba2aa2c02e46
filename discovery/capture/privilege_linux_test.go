package capture

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// unprivileged is set for the process that TestLivePrivileges starts.
const unprivileged = "PERCH_TEST_UNPRIVILEGED"

// CAP_NET_RAW alone is enough to listen, for a user who is not root; and once the
// socket is there, nothing at all, even when the interface is made anew.
func TestLivePrivileges(t *testing.T) {
	if os.Getenv(unprivileged) != "" {
		listenUnprivileged()
		return
	}
	namespace(t)
	self, err := os.Open("/proc/self/exe") // nobody may not look into its directory
	must(t, err)
	defer self.Close()
	const nobody = 65534
	c := exec.Command("/proc/self/fd/3", "-test.run=^TestLivePrivileges$")
	c.Env = append(os.Environ(), unprivileged+"=1")
	c.Dir = "/"
	c.ExtraFiles = []*os.File{self}
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: []uintptr{unix.CAP_NET_RAW}}
	stdin, err := c.StdinPipe()
	must(t, err)
	stdout, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	defer c.Wait()
	defer stdin.Close()
	lines := bufio.NewScanner(stdout)
	expect := func(want string) {
		t.Helper()
		if lines.Scan(); lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	expect("uid 65534, near is listening")
	expect("without privileges: near: operation not permitted; " + (&InterfaceError{Reason: NotPermitted}).Hint())
	for i := range 2 {
		if i > 0 {
			ip(t, "link del far")
			cable(t)
			io.WriteString(stdin, "\n")
			expect("near is listening again")
		}
		newSender(t, "far").send(t, spoken()[0])
		expect(fmt.Sprintf("heard %x", spoken()[0]))
	}
}

// listenUnprivileged listens in a process that has CAP_NET_RAW until it throws
// that away, and tells of it.
func listenUnprivileged() {
	t := new(testing.T)
	runtime.LockOSThread() // privileges are a thread's
	l, err := Listen("near", LiveConfig{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("uid %d, near is %v\n", os.Getuid(), l.Stats().State)
	var none [2]unix.CapUserData
	must(t, unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]))
	_, err = Listen("near", LiveConfig{})
	if e, ok := err.(*InterfaceError); ok {
		err = fmt.Errorf("%v; %s", e, e.Hint())
	}
	fmt.Println("without privileges:", err)
	fmt.Printf("heard %x\n", hear(t, l, 1)[0].Data)
	os.Stdin.Read(make([]byte, 1))
	awaitStats(t, l, func(s LiveStats) bool { return s.Reopens == 1 && s.State == Listening })
	fmt.Println("near is listening again")
	fmt.Printf("heard %x\n", hear(t, l, 1)[0].Data)
	os.Exit(0)
}
