package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"perch/gateway"
)

// The admin socket is HTTP over a Unix socket next to the database: a command
// POSTs its request, and serve answers what the command is to print. Other programs
// may do the same (docs/directory.md). Who may connect is decided by the socket's
// mode, 0600, and who it is by the kernel.

// requestMost is how long a request may be, in bytes; a wiremap of a million rules
// has 60 MB.
const requestMost = 256 << 20

// findServer connects to the serve that listens on a socket; false if none does.
// database is the identity of the one that is meant.
func findServer(path, database string) (*serverClient, bool) {
	if _, err := os.Stat(path); err != nil {
		return nil, false
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, path) }
	conn, err := dial(context.Background(), "", "")
	if err != nil {
		return nil, false // left behind by one that was killed
	}
	conn.Close()
	return &serverClient{path, database, http.Client{Transport: &http.Transport{DialContext: dial}}}, true
}

// dialSocket connects to a socket, however long its name is.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	name, done, err := shortName(path)
	if err != nil {
		return nil, err
	}
	defer done()
	return new(net.Dialer).DialContext(ctx, "unix", name)
}

// forbidden reports that a serve may be listening on a socket that this user may
// not connect to; nil if there is none, or one may.
func forbidden(path string) error {
	name, done, err := shortName(path)
	if err != nil {
		return nil
	}
	defer done()
	conn, err := net.Dial("unix", name)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return withHint(fmt.Errorf("%s: permission denied", path), "ask as the user that serve runs as (sudo -u USER perch ...), or as root")
}

// shortName returns a name for a socket that fits into the 108 bytes of
// sockaddr_un (unix(7)), by way of its directory's descriptor if need be.
func shortName(path string) (name string, done func(), err error) {
	const most = 107
	if len(path) <= most {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

// serverClient speaks to a running serve.
type serverClient struct {
	path     string
	database string
	http     http.Client
}

// databaseHeader says which database a request is for: a socket can be configured,
// and two serves one after the other can be given the same.
const databaseHeader = "Perch-Database"

// errOtherDatabase reports that the serve at a socket serves another database.
var errOtherDatabase = errors.New("this socket is another database's")

func (c *serverClient) close() { c.http.CloseIdleConnections() }

// ask has a request carried out and prints what it gave.
func (c *serverClient) ask(ctx context.Context, name string, r request, env *environment) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://perch/v1/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set(databaseHeader, url.QueryEscape(c.database))
	resp, err := c.http.Do(req)
	if err != nil {
		return withHint(fmt.Errorf("%s: %w", c.path, err), "see whether serve is still running, and list before you decide anew")
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusMisdirectedRequest {
		return errOtherDatabase
	}
	var out result
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return withHint(fmt.Errorf("%s: %s: %w", c.path, resp.Status, err), "use the perch that serve runs: perch version")
	}
	return errors.Join(out.print(env), out.err())
}

// adminServer carries out the requests of commands.
type adminServer struct {
	session  *session
	log      *slog.Logger
	path     string
	database string // its identity
	http     http.Server
}

// peerKey is where the connection of a request is in its context.
type peerKey struct{}

// listenAdmin makes the socket. One that is there and on which nobody answers was
// left behind by a process that was killed.
func listenAdmin(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, withHint(fmt.Errorf("%s: is no socket", path), "move it away, or name another one with socket: in the configuration")
		}
		if other, running := findServer(path, ""); running {
			other.close()
			return nil, withHint(fmt.Errorf("%s: another serve listens there", path), "name another one with socket: in the configuration")
		}
		if err := os.Remove(path); err != nil {
			return nil, withHint(err, "name another one with socket: in the configuration")
		}
	}
	name, done, err := shortName(path)
	if err != nil {
		return nil, err
	}
	defer done()
	old := unix.Umask(0o177) // nobody else may connect, from the first moment on
	l, err := net.Listen("unix", name)
	unix.Umask(old)
	if err != nil {
		return nil, withHint(err, "name another one with socket: in the configuration")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // under a name that may be gone
	return l, nil
}

func newAdminServer(s *session, path, database string, log *slog.Logger) *adminServer {
	a := &adminServer{session: s, log: log, path: path, database: identity(database)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{name...}", a.carryOut)
	a.http = http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, peerKey{}, c) },
	}
	return a
}

// serve answers until the listener is closed.
func (a *adminServer) serve(l net.Listener) error {
	if err := a.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (a *adminServer) shutdown(ctx context.Context) error {
	err := a.http.Shutdown(ctx)
	if gone := os.Remove(a.path); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

func (a *adminServer) carryOut(w http.ResponseWriter, req *http.Request) {
	meant := req.Header.Get(databaseHeader)
	if meant != "" && meant != url.QueryEscape(a.database) {
		w.WriteHeader(http.StatusMisdirectedRequest)
		return
	}
	var stdout, stderr bytes.Buffer
	name := req.PathValue("name")
	r, err := decodeRequest(name, http.MaxBytesReader(w, req.Body, requestMost))
	if err != nil && meant == "" {
		err = withHint(err, "docs/directory.md names what can be asked for, and the fields of each")
	}
	if err == nil {
		who := peerName(req.Context())
		sign(r, who)
		a.log.Info("command", "request", name, "by", who)
		err = r.carryOut(req.Context(), a.session, &environment{strings.NewReader(""), &stdout, &stderr})
	}
	out := newResult(stdout.String(), stderr.String(), err)
	if meant == "" { // not by perch itself
		err = answer(w, &out)
	} else {
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(out)
	}
	if err != nil {
		a.log.Warn("a command went away before its answer", "request", name, "error", err)
	}
}

// answer tells another program than perch what the command would print, or as JSON what is
// wrong.
func answer(w http.ResponseWriter, out *result) error {
	if len(out.Errors) == 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := out.Stdout
		if text == "" { // of what was done, without a list
			text = out.Stderr
		}
		_, err := io.WriteString(w, text)
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	return json.NewEncoder(w).Encode(struct {
		Errors []string `json:"errors"`
		Hint   string   `json:"hint"`
		Output string   `json:"output,omitempty"` // what the command prints all the same
	}{out.Errors, out.Hint, out.Stdout})
}

// sign puts the kernel's word on who decides in place of the command's own.
func sign(r request, who string) {
	by := func(s *string) {
		if *s == "" || strings.HasPrefix(*s, "cli:") {
			*s = who
		}
	}
	switch r := r.(type) {
	case *answerRequest:
		by(&r.Reply.By)
	case *reviewRequest:
		by(&r.Decision.By)
	case *ackRequest:
		by(&r.Acknowledgement.By)
	case *windowRequest: // these nobody does for somebody else
		r.By = who
	case *addPhoneRequest:
		r.By = who
	case *replacePhoneRequest:
		r.By = who
	case *removePhoneRequest:
		r.By = who
	case *rotateRequest:
		r.By = who
	case *importRequest:
		r.By = who
	case *disownRequest:
		by(&r.By)
	case *objectRequest:
		by(&r.By)
	}
}

// peerName names the user on the other side of a connection.
func peerName(ctx context.Context) string {
	conn, ok := ctx.Value(peerKey{}).(*net.UnixConn)
	if !ok {
		return "cli:unknown"
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return "cli:unknown"
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || credErr != nil {
		return "cli:unknown"
	}
	uid := strconv.Itoa(int(cred.Uid))
	if u, err := user.LookupId(uid); err == nil {
		return "cli:" + u.Username
	}
	return "cli:" + uid
}

// office is the portal's and the mailer's way to the engine of a serve.
type office struct {
	*gateway.Engine
	live *live
}

// Now returns the clock's time.
func (o *office) Now() time.Time { return o.live.clock.now() }

// Trouble returns why nothing can be stored now.
func (o *office) Trouble() error { return o.live.trouble() }

// Answer takes a user's reply.
func (o *office) Answer(ctx context.Context, r gateway.Reply) error {
	return o.decide(ctx, func() error { return o.Engine.Answer(r) })
}

// Disown takes in that a phone is not the user's.
func (o *office) Disown(ctx context.Context, prompt int64, by string) error {
	return o.decide(ctx, func() error { return o.Engine.Disown(prompt, by, time.Time{}) })
}

// AskAgain asks anew about an expired prompt's network.
func (o *office) AskAgain(ctx context.Context, prompt int64, by string) error {
	return o.decide(ctx, func() error { return o.Engine.AskAgain(prompt, by, time.Time{}) })
}

// Object withdraws an answer.
func (o *office) Object(ctx context.Context, answer int64, by string) error {
	return o.decide(ctx, func() error { return o.Engine.Object(answer, by, time.Time{}) })
}

// Review decides a claim.
func (o *office) Review(ctx context.Context, d gateway.Decision) error {
	return o.decide(ctx, func() error { return o.Engine.Review(d) })
}

// Acknowledge takes in that somebody sees to a call for help.
func (o *office) Acknowledge(ctx context.Context, a gateway.Acknowledgement) error {
	return o.live.insist(ctx, func() error { return o.Engine.Acknowledge(a) })
}

func (o *office) decide(ctx context.Context, do func() error) error {
	_, err := o.live.decide(ctx, do)
	return err
}
