-- +goose Up

-- Who makes a phone, and which it is: by that its configuration is made.
ALTER TABLE phones ADD COLUMN IF NOT EXISTS vendor TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE phones ADD COLUMN IF NOT EXISTS model  TEXT COLLATE "C" NOT NULL DEFAULT '';
