// Lab builds a small site in network namespaces, of real programs: switches that
// speak LLDP, DHCP servers and relays, a PBX, phones. Perch listens to it live.
// Phones are moved about, and each real move must give exactly one prompt and
// everything else none. docs/lab.md tells more.
//
//	go run ./testdata/lab [-short] [-perch FILE] [-dir DIR]    the checks
//	go run ./testdata/lab -hold                                leave it standing; it says what can be done
//	go run ./testdata/lab COMMAND...                           do it
//	go run ./testdata/lab -record DIR [CASE...]                the captures of testdata/replay/real-*
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	short  bool
	hold   bool
	record string
	perch  string
	dir    string
}

// The main thread stays with main: one that goes into a host's namespace (inside)
// never comes back, and of a process it is the main thread by which ip tells whose it
// is. The lab would end itself with the host.
func init() { runtime.LockOSThread() }

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "only the scenarios that tests run")
	flag.BoolVar(&o.hold, "hold", false, "check nothing; leave the lab standing until Ctrl-C")
	flag.StringVar(&o.record, "record", "", "check nothing; record the captures of real programs into this directory")
	flag.StringVar(&o.perch, "perch", "", "the program to try; default: it is built")
	flag.StringVar(&o.dir, "dir", "", "an empty directory to keep logs, recordings and databases in; default: they are kept after a failure only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	do := func() error { return lab(ctx, o) }
	if flag.NArg() > 0 && o.record == "" {
		do = func() error { return send(flag.Args()) }
	}
	if err := do(); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// needs are the programs of the lab and the Debian packages that have them.
var needs = []struct{ program, pkg string }{
	{"ip", "iproute2"}, {"ss", "iproute2"}, {"ethtool", "ethtool"}, {"sysctl", "procps"}, {"tcpdump", "tcpdump"}, {"lldpd", "lldpd"},
	{"dnsmasq", "dnsmasq-base"}, {"kea-dhcp4", "kea-dhcp4-server"}, {"dhcrelay", "isc-dhcp-relay"}, {"udhcpc", "udhcpc"},
	{"dhclient", "isc-dhcp-client"}, {"kamailio", "kamailio"}, {"sipp", "sip-tester"}, {"baresip", "baresip-core"},
}

// check tells why the lab cannot work here.
func check() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root\nhint: sudo make lab")
	}
	var missing []string
	for _, n := range needs {
		if _, err := exec.LookPath(n.program); err != nil {
			missing = append(missing, n.pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("programs are missing\nhint: on Debian: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	return nil
}

// lab runs the lab and removes it again.
func lab(ctx context.Context, o options) (err error) {
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if err := check(); err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "perch-lab."); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				err = os.RemoveAll(dir)
			} else {
				err = fmt.Errorf("%w\nhint: logs and recordings are in %s", err, dir)
			}
		}()
	}
	if o.record != "" {
		return recordScenes(ctx, dir, o.record, flag.Args())
	}
	if o.perch == "" {
		o.perch = filepath.Join(dir, "perch")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.perch, "./cmd/perch")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./cmd/perch: %w\n%s", err, out)
		}
	}
	if o.perch, err = filepath.Abs(o.perch); err != nil {
		return err
	}
	n, err := newNetwork(fmt.Sprintf("perch-lab-%d", os.Getpid()), dir)
	if err != nil {
		return err
	}
	p := paceOf(o)
	s, err := buildSite(ctx, n, p)
	defer func() { err = errors.Join(err, s.remove()) }()
	if err != nil {
		return err
	}
	if o.hold {
		return hold(ctx, s, o)
	}
	return checks(ctx, s, o)
}

func paceOf(o options) pace {
	p := pace{lldp: 2 * time.Second, refresh: 15 * time.Second, settle: 6 * time.Second, settleUnregistered: 20 * time.Second, outage: 45 * time.Second}
	if o.short {
		p.refresh = 10 * time.Second
	}
	return p
}

// checks tells the story and compares it with what Perch made of it.
func checks(ctx context.Context, s *site, o options) error {
	w, err := newWatch(s, o.perch, "http://127.0.0.1:8080", true)
	if err != nil {
		return err
	}
	defer w.inbox.close()
	if err := w.start(ctx); err != nil {
		return err
	}
	following, endFollowing := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() { defer close(followed); w.follow(following) }()
	defer func() { endFollowing(); <-followed }()

	t := &trial{site: s, watch: w, out: os.Stdout}
	story := longStory()
	if o.short {
		story = shortStory()
	}
	for _, r := range story {
		if err := t.run(ctx, r); err != nil {
			return err
		}
	}
	mails := len(w.inbox.all())
	endFollowing()
	<-followed
	if err := errors.Join(w.failed, w.stop(syscall.SIGTERM)); err != nil {
		return err
	}
	return t.conclude(mails)
}

// conclude writes the table and the totals, and tells what is wrong.
func (t *trial) conclude(mails int) error {
	var errs []error
	if !t.table() {
		errs = append(errs, errors.New("not everything is as expected: see the table"))
	}
	fmt.Fprintf(t.out, "\n%d real moves and first appearances of somebody's phone, %d prompts\n", t.expected, t.opened)
	if t.opened != t.expected {
		errs = append(errs, errors.New("as many prompts as moves were expected"))
	}
	live, err := storyOf(t.watch.database(), 0)
	if err != nil {
		return err
	}
	queued, prompts := 0, 0
	for _, ev := range live {
		if ev.Event == "mail.queued" {
			queued++
			if ev.Mail.Purpose == "prompt" {
				prompts++
			}
		}
	}
	fmt.Fprintf(t.out, "%d mails to the users, %d of them prompts, %d arrived at the mail server\n", queued, prompts, mails)
	if prompts != t.expected || mails != queued {
		errs = append(errs, errors.New("one prompt by mail for each move was expected, and each mail once"))
	}
	files, err := t.watch.recordings()
	if err != nil {
		return err
	}
	replayed, err := t.watch.replay(files)
	if err != nil {
		return err
	}
	same, err := agree(t.out, live, replayed)
	if err != nil {
		return err
	}
	if same {
		fmt.Fprintf(t.out, "%d events live, and the same %d from the recordings\n", len(live), len(replayed))
	} else {
		errs = append(errs, errors.New("the recordings tell another story than what was heard live"))
	}
	return errors.Join(errs...)
}
