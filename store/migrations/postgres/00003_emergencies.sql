-- +goose Up

-- Calls for help, and what was sent on each. A row goes when it has been kept for
-- as long as alarm.retention says.
CREATE TABLE emergencies (
    id               BIGINT           NOT NULL PRIMARY KEY,
    call             TEXT COLLATE "C" NOT NULL, -- its name in the SIP path
    time             BIGINT           NOT NULL, -- when it went out, by the SIP path's clock
    opened           BIGINT           NOT NULL, -- when the engine was told of it
    changed          BIGINT           NOT NULL,
    dialled          TEXT COLLATE "C" NOT NULL,
    test             BOOLEAN          NOT NULL, -- true: the location is read back, nobody needs help
    site             TEXT COLLATE "C" NOT NULL,
    aor              TEXT COLLATE "C" NOT NULL, -- by which the caller is called back
    from_address     TEXT COLLATE "C" NOT NULL, -- IP and port
    found            TEXT COLLATE "C" NOT NULL, -- how the phone was
    phone            TEXT COLLATE "C" NOT NULL, -- empty: not known
    label            TEXT COLLATE "C" NOT NULL,
    network          TEXT COLLATE "C" NOT NULL, -- in short
    network_on       TEXT COLLATE "C" NOT NULL, -- the same, JSON
    since            BIGINT           NOT NULL, -- when that was last acted on
    heard            BIGINT           NOT NULL, -- the phone's last sign of life
    location_id      TEXT COLLATE "C" NOT NULL,
    version          BIGINT           NOT NULL, -- of the location; 0: not known
    place            TEXT COLLATE "C" NOT NULL, -- its name
    address          TEXT COLLATE "C" NOT NULL, -- lines, as on an envelope
    source           TEXT COLLATE "C" NOT NULL, -- of the assignment
    moving           BOOLEAN          NOT NULL,
    unapproved       BOOLEAN          NOT NULL,
    unlocated        BOOLEAN          NOT NULL,
    sent             TEXT COLLATE "C" NOT NULL, -- the PIDF-LO; empty: none ever was
    why              TEXT COLLATE "C" NOT NULL, -- why none, or none any more
    elin             TEXT COLLATE "C" NOT NULL,
    pbx              TEXT COLLATE "C" NOT NULL, -- IP and port
    status           BIGINT           NOT NULL, -- of the answer (RFC 3261); 0: none yet
    acknowledged     BIGINT           NOT NULL,
    acknowledged_by  TEXT COLLATE "C" NOT NULL, -- a name
    acknowledged_via TEXT COLLATE "C" NOT NULL, -- email, or cli:NAME
    reminders        BIGINT           NOT NULL,
    next             BIGINT           NOT NULL  -- when it is reminded of next; 0: not any more
);

-- The call that a mail tells of; 0: of none.
ALTER TABLE mails ADD COLUMN emergency_id BIGINT NOT NULL DEFAULT 0;

-- Mails of calls for help go out before all others that wait.
ALTER TABLE outbox ADD COLUMN turn BIGINT NOT NULL DEFAULT 1; -- 0: at once; 1: in order of id
DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (turn, mail_id, due) WHERE state = 'waiting';
