-- +goose Up

-- Lines that phones register; the secret is sealed with the installation's key.
CREATE TABLE lines (
    aor          TEXT NOT NULL PRIMARY KEY,
    auth_user    TEXT NOT NULL,
    secret       TEXT NOT NULL,
    display_name TEXT NOT NULL,
    callback     TEXT NOT NULL
) STRICT;
