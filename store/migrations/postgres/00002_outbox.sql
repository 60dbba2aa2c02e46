-- +goose Up

-- What the link of a receipt or a notice opens; 0: it has none.
ALTER TABLE mails ADD COLUMN answer_id BIGINT NOT NULL DEFAULT 0;

-- What a claim's attachment was believed for when it was made: JSON list.
ALTER TABLE claims ADD COLUMN evidence TEXT COLLATE "C" NOT NULL DEFAULT '[]';

-- The rule that a personal answer made for its owner's other phones: JSON.
ALTER TABLE answers ADD COLUMN rule TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- How far each mail of a live database got on its way to a server. A mail waits
-- until a server has taken it, or refused it for good.
CREATE TABLE outbox (
    mail_id   BIGINT           NOT NULL PRIMARY KEY,
    state     TEXT COLLATE "C" NOT NULL, -- waiting, sent, refused
    attempt   BIGINT           NOT NULL, -- number of the latest one; 0: none yet
    lease_end BIGINT           NOT NULL, -- until then the latest attempt has it; 0: none has
    due       BIGINT           NOT NULL, -- for the next attempt: the end of a lease counts as well
    closed    BIGINT           NOT NULL, -- when it was sent or refused
    reply     TEXT COLLATE "C" NOT NULL  -- what the server said last, or the error
);
CREATE INDEX outbox_waiting ON outbox (mail_id, due) WHERE state = 'waiting';
CREATE INDEX outbox_due ON outbox (due) WHERE state = 'waiting';
CREATE INDEX outbox_refused ON outbox (mail_id) WHERE state = 'refused';

-- Recipients whose mail was refused for good, until a server takes one again.
CREATE TABLE undeliverable (
    email TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    since BIGINT           NOT NULL,
    reply TEXT COLLATE "C" NOT NULL -- what the server said
);
