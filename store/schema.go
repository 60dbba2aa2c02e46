package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"perch/gateway"
)

// migrations holds one folder of numbered SQL files for each dialect. They go
// forward only: a file that was released is never changed, and none has a way
// back.
//
//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to date, each step in a transaction of its own.
// current is the version of the database, 0 for a new one. A schema that this
// program does not know gives gateway.ErrNewerSchema; nothing is written then,
// nor if there is nothing to do.
func migrate(ctx context.Context, d *sql.DB, dialect goose.Dialect, folder string, current int64) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, d, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	all := p.ListSources()
	latest := all[len(all)-1].Version
	switch {
	case current > latest:
		return fmt.Errorf("schema version %d, this program knows %d: %w", current, latest, gateway.ErrNewerSchema)
	case current == latest:
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}
