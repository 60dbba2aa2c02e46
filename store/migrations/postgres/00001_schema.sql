-- +goose Up

-- What a database is for, the engine's time and counters, the tracker's state.
CREATE TABLE meta (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
-- Tells Perch's tables from those of other programs.
COMMENT ON TABLE meta IS 'Perch, application 1348825699';

CREATE TABLE sites (
    id                  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name                TEXT COLLATE "C" NOT NULL,
    default_location_id TEXT COLLATE "C" NOT NULL,
    timezone            TEXT COLLATE "C" NOT NULL, -- IANA name
    subnets             TEXT COLLATE "C" NOT NULL, -- JSON list of prefixes
    ignore_subnets      TEXT COLLATE "C" NOT NULL  -- JSON list of prefixes
);

-- Every version of every location; the highest is the one in force.
CREATE TABLE locations (
    id                  TEXT COLLATE "C" NOT NULL,
    version             BIGINT           NOT NULL,
    parent_id           TEXT COLLATE "C" NOT NULL,
    kind                TEXT COLLATE "C" NOT NULL, -- company, personal
    owner               TEXT COLLATE "C" NOT NULL, -- email, of a personal one
    name                TEXT COLLATE "C" NOT NULL,
    site                TEXT COLLATE "C" NOT NULL,
    country             TEXT COLLATE "C" NOT NULL,
    state               TEXT COLLATE "C" NOT NULL,
    county              TEXT COLLATE "C" NOT NULL,
    city                TEXT COLLATE "C" NOT NULL,
    pre_directional     TEXT COLLATE "C" NOT NULL,
    street              TEXT COLLATE "C" NOT NULL,
    street_suffix       TEXT COLLATE "C" NOT NULL,
    post_directional    TEXT COLLATE "C" NOT NULL,
    house_number        TEXT COLLATE "C" NOT NULL,
    house_number_suffix TEXT COLLATE "C" NOT NULL,
    landmark            TEXT COLLATE "C" NOT NULL,
    building            TEXT COLLATE "C" NOT NULL,
    floor               TEXT COLLATE "C" NOT NULL,
    room                TEXT COLLATE "C" NOT NULL,
    unit                TEXT COLLATE "C" NOT NULL,
    postal_code         TEXT COLLATE "C" NOT NULL,
    additional          TEXT COLLATE "C" NOT NULL,
    elin                TEXT COLLATE "C" NOT NULL,
    pending             BOOLEAN          NOT NULL, -- true while its claim is open
    retired             BOOLEAN          NOT NULL, -- true once retired
    PRIMARY KEY (id, version)
);

-- The cells of a rule stand as they were written. Rules whose cells mean the
-- same network have one rule_key, and are replaced together; there can be more
-- than one, so it is not unique.
CREATE TABLE wiremap (
    rule_key    TEXT COLLATE "C" NOT NULL,
    site        TEXT COLLATE "C" NOT NULL,
    chassis_id  TEXT COLLATE "C" NOT NULL,
    port        TEXT COLLATE "C" NOT NULL,
    remote_id   TEXT COLLATE "C" NOT NULL, -- hex
    circuit_id  TEXT COLLATE "C" NOT NULL, -- hex
    bssid       TEXT COLLATE "C" NOT NULL,
    vlan        BIGINT           NOT NULL,
    subnet      TEXT COLLATE "C" NOT NULL,
    public_ip   TEXT COLLATE "C" NOT NULL,
    location_id TEXT COLLATE "C" NOT NULL
);
CREATE INDEX wiremap_by_key ON wiremap (rule_key);

CREATE TABLE users (
    email    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name     TEXT COLLATE "C" NOT NULL,
    role     TEXT COLLATE "C" NOT NULL, -- user, reviewer, admin
    site     TEXT COLLATE "C" NOT NULL, -- empty: all sites
    language TEXT COLLATE "C" NOT NULL,
    aors     TEXT COLLATE "C" NOT NULL -- JSON list
);

CREATE TABLE phones (
    mac   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind  TEXT COLLATE "C" NOT NULL, -- desk, softphone, ignore
    label TEXT COLLATE "C" NOT NULL,
    site  TEXT COLLATE "C" NOT NULL,
    users TEXT COLLATE "C" NOT NULL, -- JSON list of emails
    aors  TEXT COLLATE "C" NOT NULL  -- JSON list
);

-- Phones that were seen, listed or not, with the location in force.
CREATE TABLE phone_state (
    phone       TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- MAC, or sip:aor;n
    location_id TEXT COLLATE "C" NOT NULL,
    source      TEXT COLLATE "C" NOT NULL, -- what the assignment rests on
    unapproved  BOOLEAN          NOT NULL, -- true while its claim is open
    unlocated   BOOLEAN          NOT NULL, -- true: the site's default, or nothing at all
    state       TEXT COLLATE "C" NOT NULL  -- the engine's own, JSON
);

CREATE TABLE prompts (
    id          BIGINT           NOT NULL PRIMARY KEY,
    phone       TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL, -- confirm, add
    attachment  TEXT COLLATE "C" NOT NULL, -- JSON
    location_id TEXT COLLATE "C" NOT NULL,
    recipients  TEXT COLLATE "C" NOT NULL, -- JSON list of emails
    opened      BIGINT           NOT NULL,
    closed      BIGINT           NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL -- of closing; empty while open
);

CREATE TABLE claims (
    id          BIGINT           NOT NULL PRIMARY KEY,
    phone       TEXT COLLATE "C" NOT NULL,
    prompt_id   BIGINT           NOT NULL,
    answer_id   BIGINT           NOT NULL,
    attachment  TEXT COLLATE "C" NOT NULL, -- JSON
    location_id TEXT COLLATE "C" NOT NULL,
    claimed_by  TEXT COLLATE "C" NOT NULL, -- email, or cli:NAME
    opened      BIGINT           NOT NULL,
    closed      BIGINT           NOT NULL,
    state       TEXT COLLATE "C" NOT NULL, -- open, approved, rejected
    decided_by  TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL, -- of a rejection
    level       TEXT COLLATE "C" NOT NULL  -- of the rule that was made
);

CREATE TABLE answers (
    id          BIGINT           NOT NULL PRIMARY KEY,
    phone       TEXT COLLATE "C" NOT NULL,
    prompt_id   BIGINT           NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL, -- confirm, company, propose, personal, add-personal
    location_id TEXT COLLATE "C" NOT NULL,
    answered_by TEXT COLLATE "C" NOT NULL, -- email, or cli:NAME
    time        BIGINT           NOT NULL,
    claim_id    BIGINT           NOT NULL -- 0: needs no approval
);

-- The story, one line an event; only ever appended to.
CREATE TABLE events (
    id    BIGINT           NOT NULL PRIMARY KEY,
    time  BIGINT           NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    phone TEXT COLLATE "C" NOT NULL,
    data  TEXT COLLATE "C" NOT NULL -- the whole line, JSON
);

-- Rendered mails, a mark in place of each link's token; only ever appended to.
CREATE TABLE mails (
    id         BIGINT           NOT NULL PRIMARY KEY,
    time       BIGINT           NOT NULL,
    purpose    TEXT COLLATE "C" NOT NULL,
    recipient  TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    prompt_id  BIGINT           NOT NULL,
    claim_id   BIGINT           NOT NULL,
    body       BYTEA            NOT NULL
);

-- How far each capture was replayed.
CREATE TABLE sources (
    sha256 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    frames BIGINT           NOT NULL,
    done   BOOLEAN          NOT NULL -- true: nothing is left in it
);
