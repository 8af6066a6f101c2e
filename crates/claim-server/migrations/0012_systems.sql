-- Every event of every claim, numbered in the order in which they were committed: what other systems read.
CREATE TABLE feed (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  claim_id  TEXT NOT NULL,
  event_seq INTEGER NOT NULL,
  UNIQUE (claim_id, event_seq)
) STRICT;
INSERT INTO feed (claim_id, event_seq) SELECT claim_id, seq FROM event ORDER BY at, claim_id, seq;

-- Systems that every event is sent to.
CREATE TABLE hook (
  name    TEXT PRIMARY KEY,
  url     TEXT NOT NULL,
  done    INTEGER NOT NULL,            -- every event up to this one was accepted, or its claim is held back, or it was given up
  tries   INTEGER NOT NULL DEFAULT 0,  -- of the next one
  next_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Claims whose next event the system refuses: theirs wait, those of others go on.
CREATE TABLE hook_held (
  hook     TEXT NOT NULL REFERENCES hook(name) ON DELETE CASCADE,
  claim_id TEXT NOT NULL,
  seq      INTEGER NOT NULL,           -- in the feed, the first that was not accepted
  tries    INTEGER NOT NULL,
  next_at  INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  PRIMARY KEY (hook, claim_id)
) STRICT, WITHOUT ROWID;

-- Events that a system refused for days, until an operator sends them again.
CREATE TABLE hook_dead (
  hook   TEXT NOT NULL REFERENCES hook(name) ON DELETE CASCADE,
  seq    INTEGER NOT NULL REFERENCES feed(seq),
  at     INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (hook, seq)
) STRICT, WITHOUT ROWID;

-- Other systems that do the work of desks.
CREATE TABLE service (
  name        TEXT PRIMARY KEY,
  shown_as    TEXT NOT NULL UNIQUE,    -- what customers see
  scopes      TEXT NOT NULL,           -- separated by spaces
  secret_hash TEXT NOT NULL,           -- of 256 random bits
  removed_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE service_token (
  hash    TEXT PRIMARY KEY,
  service TEXT NOT NULL REFERENCES service(name),
  until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Commands that were carried out, by the key that the system gave them.
CREATE TABLE command (
  service TEXT NOT NULL REFERENCES service(name),
  key     TEXT NOT NULL,
  request TEXT NOT NULL,               -- SHA-256 of what was asked
  at      INTEGER NOT NULL,
  PRIMARY KEY (service, key)
) STRICT, WITHOUT ROWID;
