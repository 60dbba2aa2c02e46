-- +goose Up

-- "Perc" in ASCII: tells Perch's databases from those of other programs.
PRAGMA application_id = 1348825699;

-- What a database is for, the engine's time and counters, the tracker's state.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE sites (
    id                  TEXT NOT NULL PRIMARY KEY,
    name                TEXT NOT NULL,
    default_location_id TEXT NOT NULL,
    timezone            TEXT NOT NULL, -- IANA name
    subnets             TEXT NOT NULL, -- JSON list of prefixes
    ignore_subnets      TEXT NOT NULL  -- JSON list of prefixes
) STRICT;

-- Every version of every location; the highest is the one in force.
CREATE TABLE locations (
    id                  TEXT    NOT NULL,
    version             INTEGER NOT NULL,
    parent_id           TEXT    NOT NULL,
    kind                TEXT    NOT NULL, -- company, personal
    owner               TEXT    NOT NULL, -- email, of a personal one
    name                TEXT    NOT NULL,
    site                TEXT    NOT NULL,
    country             TEXT    NOT NULL,
    state               TEXT    NOT NULL,
    county              TEXT    NOT NULL,
    city                TEXT    NOT NULL,
    pre_directional     TEXT    NOT NULL,
    street              TEXT    NOT NULL,
    street_suffix       TEXT    NOT NULL,
    post_directional    TEXT    NOT NULL,
    house_number        TEXT    NOT NULL,
    house_number_suffix TEXT    NOT NULL,
    landmark            TEXT    NOT NULL,
    building            TEXT    NOT NULL,
    floor               TEXT    NOT NULL,
    room                TEXT    NOT NULL,
    unit                TEXT    NOT NULL,
    postal_code         TEXT    NOT NULL,
    additional          TEXT    NOT NULL,
    elin                TEXT    NOT NULL,
    pending             INTEGER NOT NULL, -- 1 while its claim is open
    retired             INTEGER NOT NULL, -- 1 once retired
    PRIMARY KEY (id, version)
) STRICT;

-- The cells of a rule stand as they were written. Rules whose cells mean the
-- same network have one rule_key, and are replaced together; there can be more
-- than one, so it is not unique.
CREATE TABLE wiremap (
    rule_key    TEXT    NOT NULL,
    site        TEXT    NOT NULL,
    chassis_id  TEXT    NOT NULL,
    port        TEXT    NOT NULL,
    remote_id   TEXT    NOT NULL, -- hex
    circuit_id  TEXT    NOT NULL, -- hex
    bssid       TEXT    NOT NULL,
    vlan        INTEGER NOT NULL,
    subnet      TEXT    NOT NULL,
    public_ip   TEXT    NOT NULL,
    location_id TEXT    NOT NULL
) STRICT;
CREATE INDEX wiremap_by_key ON wiremap (rule_key);

CREATE TABLE users (
    email    TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL,
    role     TEXT NOT NULL, -- user, reviewer, admin
    site     TEXT NOT NULL, -- empty: all sites
    language TEXT NOT NULL,
    aors     TEXT NOT NULL  -- JSON list
) STRICT;

CREATE TABLE phones (
    mac   TEXT NOT NULL PRIMARY KEY,
    kind  TEXT NOT NULL, -- desk, softphone, ignore
    label TEXT NOT NULL,
    site  TEXT NOT NULL,
    users TEXT NOT NULL, -- JSON list of emails
    aors  TEXT NOT NULL  -- JSON list
) STRICT;

-- Phones that were seen, listed or not, with the location in force.
CREATE TABLE phone_state (
    phone       TEXT    NOT NULL PRIMARY KEY, -- MAC, or sip:aor;n
    location_id TEXT    NOT NULL,
    source      TEXT    NOT NULL, -- what the assignment rests on
    unapproved  INTEGER NOT NULL, -- 1 while its claim is open
    unlocated   INTEGER NOT NULL, -- 1: the site's default, or nothing at all
    state       TEXT    NOT NULL  -- the engine's own, JSON
) STRICT;

CREATE TABLE prompts (
    id          INTEGER NOT NULL PRIMARY KEY,
    phone       TEXT    NOT NULL,
    kind        TEXT    NOT NULL, -- confirm, add
    attachment  TEXT    NOT NULL, -- JSON
    location_id TEXT    NOT NULL,
    recipients  TEXT    NOT NULL, -- JSON list of emails
    opened      INTEGER NOT NULL,
    closed      INTEGER NOT NULL,
    reason      TEXT    NOT NULL  -- of closing; empty while open
) STRICT;

CREATE TABLE claims (
    id          INTEGER NOT NULL PRIMARY KEY,
    phone       TEXT    NOT NULL,
    prompt_id   INTEGER NOT NULL,
    answer_id   INTEGER NOT NULL,
    attachment  TEXT    NOT NULL, -- JSON
    location_id TEXT    NOT NULL,
    claimed_by  TEXT    NOT NULL, -- email, or cli:NAME
    opened      INTEGER NOT NULL,
    closed      INTEGER NOT NULL,
    state       TEXT    NOT NULL, -- open, approved, rejected
    decided_by  TEXT    NOT NULL,
    reason      TEXT    NOT NULL, -- of a rejection
    level       TEXT    NOT NULL  -- of the rule that was made
) STRICT;

CREATE TABLE answers (
    id          INTEGER NOT NULL PRIMARY KEY,
    phone       TEXT    NOT NULL,
    prompt_id   INTEGER NOT NULL,
    kind        TEXT    NOT NULL, -- confirm, company, propose, personal, add-personal
    location_id TEXT    NOT NULL,
    answered_by TEXT    NOT NULL, -- email, or cli:NAME
    time        INTEGER NOT NULL,
    claim_id    INTEGER NOT NULL  -- 0: needs no approval
) STRICT;

-- The story, one line an event; only ever appended to.
CREATE TABLE events (
    id    INTEGER NOT NULL PRIMARY KEY,
    time  INTEGER NOT NULL,
    event TEXT    NOT NULL,
    phone TEXT    NOT NULL,
    data  TEXT    NOT NULL -- the whole line, JSON
) STRICT;

-- Rendered mails, a mark in place of each link's token; only ever appended to.
CREATE TABLE mails (
    id         INTEGER NOT NULL PRIMARY KEY,
    time       INTEGER NOT NULL,
    purpose    TEXT    NOT NULL,
    recipient  TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    message_id TEXT    NOT NULL,
    prompt_id  INTEGER NOT NULL,
    claim_id   INTEGER NOT NULL,
    body       BLOB    NOT NULL
) STRICT;

-- How far each capture was replayed.
CREATE TABLE sources (
    sha256 TEXT    NOT NULL PRIMARY KEY,
    frames INTEGER NOT NULL,
    done   INTEGER NOT NULL -- 1: nothing is left in it
) STRICT;
