// Package store keeps what the engine decided in a SQL database: the directory,
// what is known of each phone, prompts, claims, answers, events and mails. It is
// also the outbox from which mails are handed to a mail server.
//
// A gateway.Engine queues effects and hands them over in a gateway.Batch; the
// store makes each batch durable in one transaction, all or nothing. A database
// has one holder at a time, so the store never has to merge two writers, and a
// lock that is free when its process ends tells a second one: for SQLite the
// operating system's on a file, for PostgreSQL the server's on a session.
//
// A server may lose its connection after it has committed and before it said so.
// So meta has marks, small values of which every batch changes some, and each
// commit first compares them with those that this holder left. If they are the
// same it writes; if they are those that the failed batch would have left, and
// its last event is there, the batch is durable already; if they are neither,
// somebody else has written, and nothing is written any more.
//
// One SQL text serves every database; only the statements that create tables
// differ, one folder of migrations for each dialect. The rules that make this
// possible:
//
//   - placeholders are $1, $2, ...; upserts are ON CONFLICT ... DO UPDATE;
//   - a time is a number of microseconds since 1970 in UTC, and 0 is unset;
//   - bytes that identify something are lower-case hex, never raw;
//   - lists, attachments and the engine's own state are JSON text, everything
//     else has a column of its own;
//   - text compares byte by byte, so that each list comes back in the same
//     order everywhere; text that SQL must hold is UTF-8 and has no NUL, which
//     PostgreSQL refuses;
//   - no column is NULL: the zero value of its type means unset, as in Go.
//
// Tables refer to each other by id but declare no foreign keys: provisioning
// checks references over the whole directory at the end of a change, and
// history (a prompt, an answer) may name a phone or a user that is gone.
//
// The package decides nothing and never asks the clock.
//
//	db, err := store.OpenSQLite(ctx, "perch.db")
//	if err != nil {
//		return err // gateway.ErrInUse, gateway.ErrNewerSchema, ...
//	}
//	defer db.Close()
//	engine, err := gateway.New(ctx, cfg, db)
package store
