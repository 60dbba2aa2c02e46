-- +goose Up

-- Lines that phones register; the secret is sealed with the installation's key.
CREATE TABLE lines (
    aor          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    auth_user    TEXT COLLATE "C" NOT NULL,
    secret       TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    callback     TEXT COLLATE "C" NOT NULL
);
