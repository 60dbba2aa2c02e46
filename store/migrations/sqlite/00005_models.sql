-- +goose Up

-- Who makes a phone, and which it is: by that its configuration is made.
ALTER TABLE phones ADD COLUMN vendor TEXT NOT NULL DEFAULT '';
ALTER TABLE phones ADD COLUMN model  TEXT NOT NULL DEFAULT '';
