-- +goose Up

-- What the link of a receipt or a notice opens; 0: it has none.
ALTER TABLE mails ADD COLUMN answer_id INTEGER NOT NULL DEFAULT 0;

-- What a claim's attachment was believed for when it was made: JSON list.
ALTER TABLE claims ADD COLUMN evidence TEXT NOT NULL DEFAULT '[]';

-- The rule that a personal answer made for its owner's other phones: JSON.
ALTER TABLE answers ADD COLUMN rule TEXT NOT NULL DEFAULT '{}';

-- How far each mail of a live database got on its way to a server. A mail waits
-- until a server has taken it, or refused it for good.
CREATE TABLE outbox (
    mail_id   INTEGER NOT NULL PRIMARY KEY,
    state     TEXT    NOT NULL, -- waiting, sent, refused
    attempt   INTEGER NOT NULL, -- number of the latest one; 0: none yet
    lease_end INTEGER NOT NULL, -- until then the latest attempt has it; 0: none has
    due       INTEGER NOT NULL, -- for the next attempt: the end of a lease counts as well
    closed    INTEGER NOT NULL, -- when it was sent or refused
    reply     TEXT    NOT NULL  -- what the server said last, or the error
) STRICT;
CREATE INDEX outbox_waiting ON outbox (mail_id, due) WHERE state = 'waiting';
CREATE INDEX outbox_due ON outbox (due) WHERE state = 'waiting';
CREATE INDEX outbox_refused ON outbox (mail_id) WHERE state = 'refused';

-- Recipients whose mail was refused for good, until a server takes one again.
CREATE TABLE undeliverable (
    email TEXT    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL,
    reply TEXT    NOT NULL -- what the server said
) STRICT;
