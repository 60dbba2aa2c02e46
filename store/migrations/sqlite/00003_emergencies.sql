-- +goose Up

-- Calls for help, and what was sent on each. A row goes when it has been kept for
-- as long as alarm.retention says.
CREATE TABLE emergencies (
    id               INTEGER NOT NULL PRIMARY KEY,
    call             TEXT    NOT NULL, -- its name in the SIP path
    time             INTEGER NOT NULL, -- when it went out, by the SIP path's clock
    opened           INTEGER NOT NULL, -- when the engine was told of it
    changed          INTEGER NOT NULL,
    dialled          TEXT    NOT NULL,
    test             INTEGER NOT NULL, -- 1: the location is read back, nobody needs help
    site             TEXT    NOT NULL,
    aor              TEXT    NOT NULL, -- by which the caller is called back
    from_address     TEXT    NOT NULL, -- IP and port
    found            TEXT    NOT NULL, -- how the phone was
    phone            TEXT    NOT NULL, -- empty: not known
    label            TEXT    NOT NULL,
    network          TEXT    NOT NULL, -- in short
    network_on       TEXT    NOT NULL, -- the same, JSON
    since            INTEGER NOT NULL, -- when that was last acted on
    heard            INTEGER NOT NULL, -- the phone's last sign of life
    location_id      TEXT    NOT NULL,
    version          INTEGER NOT NULL, -- of the location; 0: not known
    place            TEXT    NOT NULL, -- its name
    address          TEXT    NOT NULL, -- lines, as on an envelope
    source           TEXT    NOT NULL, -- of the assignment
    moving           INTEGER NOT NULL,
    unapproved       INTEGER NOT NULL,
    unlocated        INTEGER NOT NULL,
    sent             TEXT    NOT NULL, -- the PIDF-LO; empty: none ever was
    why              TEXT    NOT NULL, -- why none, or none any more
    elin             TEXT    NOT NULL,
    pbx              TEXT    NOT NULL, -- IP and port
    status           INTEGER NOT NULL, -- of the answer (RFC 3261); 0: none yet
    acknowledged     INTEGER NOT NULL,
    acknowledged_by  TEXT    NOT NULL, -- a name
    acknowledged_via TEXT    NOT NULL, -- email, or cli:NAME
    reminders        INTEGER NOT NULL,
    next             INTEGER NOT NULL -- when it is reminded of next; 0: not any more
) STRICT;

-- The call that a mail tells of; 0: of none.
ALTER TABLE mails ADD COLUMN emergency_id INTEGER NOT NULL DEFAULT 0;

-- Mails of calls for help go out before all others that wait.
ALTER TABLE outbox ADD COLUMN turn INTEGER NOT NULL DEFAULT 1; -- 0: at once; 1: in order of id
DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (turn, mail_id, due) WHERE state = 'waiting';
