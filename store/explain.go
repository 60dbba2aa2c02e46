package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of the server's errors (PostgreSQL documentation, appendix A).
const (
	invalidAuthorization  = "28000" // no such user, or none that may come from here
	invalidPassword       = "28P01"
	noSuchDatabase        = "3D000"
	insufficientPrivilege = "42501"
	tooManyConnections    = "53300"
	lockNotAvailable      = "55P03"
	adminShutdown         = "57P01" // of the server or of one session
	crashShutdown         = "57P02"
	cannotConnectNow      = "57P03" // starting up or shutting down
	idleSession           = "57P05"
)

// sessionLost reports errors that say that the session has ended.
func sessionLost(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code == adminShutdown || pe.Code == crashShutdown || pe.Code == idleSession
	}
	return errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

var errNoURL = errors.New("not a URL of the form postgres://USER:PASSWORD@HOST:PORT/NAME; " +
	"write special characters of the password as %XX")

// explainURL says what is wrong with a URL, whose structure is known to be sound
// or else is not quoted.
func explainURL(u *url.URL, err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 { // "cannot parse `URL`: what"
		text = text[i+len("`: "):]
	}
	if strings.HasPrefix(text, "failed to parse as URL") || strings.HasPrefix(text, "invalid port") {
		return errNoURL
	}
	secrets := []string{u.Query().Get("password"), u.Query().Get("sslpassword")}
	if p, ok := u.User.Password(); ok {
		secrets = append(secrets, p)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			return errNoURL
		}
	}
	return errors.New("URL: " + text)
}

// explainConnect says why there is no connection. It does not wrap pgx's own
// error, which carries the configuration with the password.
func explainConnect(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case invalidPassword:
			return fmt.Errorf("wrong password: %w", pe)
		case invalidAuthorization:
			return fmt.Errorf("the server does not let the user in: %w", pe)
		case noSuchDatabase:
			return fmt.Errorf("no such database: %w", pe)
		case insufficientPrivilege:
			return fmt.Errorf("no permission to connect: %w", pe)
		case tooManyConnections:
			return fmt.Errorf("the server has no connection left: %w", pe)
		case cannotConnectNow:
			return fmt.Errorf("the server is not ready: %w", pe)
		}
		return pe
	}
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &dns):
		return fmt.Errorf("cannot reach the server: %w", dns)
	case errors.As(err, &op) && op.Addr != nil && !op.Timeout():
		return fmt.Errorf("cannot reach the server: %s: %w", op.Addr, op.Err)
	case pgconn.Timeout(err), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cannot reach the server: %w", context.DeadlineExceeded)
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return errors.New("cannot connect: " + ce.Unwrap().Error())
	}
	return err
}
