package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// SQLite is a store in a single file, with its write-ahead log and its lock
// next to it (PATH-wal, PATH-shm, PATH.lock).
type SQLite struct {
	db
	lock *holder
}

const (
	// oldest is the first SQLite whose write-ahead log is safe to use: earlier
	// ones can corrupt a database when a checkpoint resets the log while
	// another connection commits (sqlite.org/wal.html, "the WAL-reset bug").
	oldest = "3.51.3"

	// applicationID marks our databases (sqlite.org/pragma.html
	// #pragma_application_id); the first migration sets it.
	applicationID = 0x50657263 // "Perc"

	// private is the mode of new files: a database holds home addresses.
	private fs.FileMode = 0o600

	// walLimit is the size in bytes to which the log is cut after it grew, as
	// it does when a large directory is imported.
	walLimit = 64 << 20

	// cacheSize is how many octets of the database SQLite keeps in memory, once it
	// has read them: enough for the states of tens of thousands of phones and
	// their index. With its own 2 MB most commits read pages anew.
	cacheSize = 64 << 20

	// sqliteChunk is small because the driver asks SQLite for the name of each
	// parameter, which takes SQLite as many steps as there are parameters: 8
	// rows a statement import a wiremap faster than 1 and far faster than 64.
	sqliteChunk = 8
)

// OpenSQLite opens the database at path, and makes one where no file is. The
// directory must exist. The process is then its one holder until Close or its
// end; if another one holds it, the error is gateway.ErrInUse. A database that
// a newer version wrote gives gateway.ErrNewerSchema and is not touched. An
// older one is migrated. Opening one that is up to date writes nothing to it.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	file, err := resolve(path)
	if err != nil {
		return nil, err
	}
	lock, err := hold(file)
	if err != nil {
		return nil, err
	}
	s := &SQLite{lock: lock, db: db{name: path, chunk: sqliteChunk, prepare: true}}
	if err := s.open(ctx, file); err != nil {
		if s.sql != nil {
			s.sql.Close()
		}
		lock.release()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// resolve returns the one name of a database: that without symbolic links, so
// that two names of it share a lock.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errors.New("database: empty file name")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	file, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		// A link to a file that is not made yet is that file's other name already.
		if to, err := os.Readlink(abs); err == nil {
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(abs), to)
			}
			if to != abs {
				return resolve(to)
			}
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return "", fmt.Errorf("%s: directory %s: %w", path, filepath.Dir(path), reason(err))
		}
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, reason(err))
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, reason(err))
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: not a file", path)
	}
	return file, nil
}

// reason returns an error of the operating system without the path, which the
// message names already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (s *SQLite) open(ctx context.Context, file string) error {
	if err := probe(file); err != nil {
		return err
	}
	d, err := sql.Open("sqlite", dataSource(file))
	if err != nil {
		return err
	}
	// One connection: SQLite has one writer anyway, and readers are served
	// between commits.
	d.SetMaxOpenConns(1)
	d.SetMaxIdleConns(1)
	s.sql = d
	if err := checkVersion(ctx, d); err != nil {
		return err
	}
	current, err := schemaVersion(ctx, d)
	if err != nil {
		return err
	}
	if err := migrate(ctx, d, goose.DialectSQLite3, "sqlite", current); err != nil {
		return err
	}
	// Kept in the file, so this writes only to one that is new, or was restored
	// from a copy in another mode.
	_, err = d.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return err
}

// probe opens the file for writing, made if it is new, for errors that say more
// than SQLite's, and reads whether it is a database at all.
func probe(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, private)
	if err != nil {
		return reason(err)
	}
	defer f.Close()
	const magic = "SQLite format 3\x00" // sqlite.org/fileformat.html section 1.3.1
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	if err == io.EOF {
		return nil // empty: a new database
	}
	if err != nil && err != io.ErrUnexpectedEOF {
		return reason(err)
	}
	if string(head[:n]) != magic {
		return errors.New("not a SQLite database")
	}
	return nil
}

// dataSource returns the driver's name for a file. What it sets holds for every
// connection: transactions that write from their start, so that none fails half
// way for want of the lock; 5 s of patience with another program's lock; each
// commit on the disk when it returns; no memory map, whose errors would be
// signals.
func dataSource(file string) string {
	q := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			"busy_timeout(5000)",
			"synchronous(full)",
			"mmap_size(0)",
			"cache_size(-" + strconv.Itoa(cacheSize>>10) + ")",
			"journal_size_limit(" + strconv.Itoa(walLimit) + ")",
		},
	}
	return (&url.URL{Scheme: "file", Path: file, RawQuery: q.Encode()}).String()
}

func checkVersion(ctx context.Context, d *sql.DB) error {
	var version string
	if err := d.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if !atLeast(version, oldest) {
		return fmt.Errorf("built with SQLite %s, want %s or newer", version, oldest)
	}
	return nil
}

// atLeast compares versions such as 3.51.3 number by number.
func atLeast(version, want string) bool {
	v := strings.Split(version, ".")
	for i, w := range strings.Split(want, ".") {
		if i >= len(v) {
			return false
		}
		a, errA := strconv.Atoi(v[i])
		b, errB := strconv.Atoi(w)
		if errA != nil || errB != nil {
			return false
		}
		if a != b {
			return a > b
		}
	}
	return true
}

// schemaVersion returns the version of the schema, 0 for a new database, and
// refuses the database of another program. It only reads.
func schemaVersion(ctx context.Context, d *sql.DB) (int64, error) {
	var id, foreign, versioned int64
	err := d.QueryRowContext(ctx, "SELECT application_id FROM pragma_application_id").Scan(&id)
	if err != nil {
		return 0, err
	}
	// goose's own table may stand alone: a first start may have been killed
	// between making it and the first migration.
	err = d.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE name <> 'goose_db_version' AND name <> 'sqlite_sequence'),
		       count(*) FILTER (WHERE name = 'goose_db_version')
		FROM sqlite_master`).Scan(&foreign, &versioned)
	if err != nil {
		return 0, err
	}
	switch {
	case foreign > 0 && id != applicationID:
		return 0, errors.New("a database of another program")
	case versioned == 0:
		return 0, nil
	}
	var version int64
	err = d.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&version)
	return version, err
}

// Close moves the log into the database, closes it and gives it free. Closing
// again does nothing.
func (s *SQLite) Close() error {
	if s.lock == nil {
		return nil
	}
	_, err := s.sql.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	err = errors.Join(err, s.sql.Close(), s.lock.release())
	s.lock = nil
	if err != nil {
		return fmt.Errorf("%s: close: %w", s.name, err)
	}
	return nil
}
