package store

import (
	"context"
	"errors"
)

func OpenPostgres(context.Context, string) (*SQLite, error) { return nil, errors.New("not yet") }
