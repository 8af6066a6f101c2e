-- Messages to one phone are counted, whoever causes them.
ALTER TABLE message ADD COLUMN phone_index TEXT;
CREATE INDEX message_phone ON message(phone_index, created_at);

-- Wrong passwords since the last right one, by the HMAC of what was typed as a name: unknown names too.
CREATE TABLE wrong_password (
  name_index TEXT PRIMARY KEY,
  tries      INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  until      INTEGER NOT NULL        -- before this nothing is checked
) STRICT, WITHOUT ROWID;

-- Nobody signs in with it any more; claims still say who did what.
ALTER TABLE staff ADD COLUMN removed_at INTEGER;

-- A session that was begun at a machine in a branch ends sooner.
ALTER TABLE session ADD COLUMN kiosk INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_seen ON session(seen_at);

-- Data keys, sealed with the key of the installation: of each claim, and of each file (with the claim's once it is part of
-- one). NULL: from before there were any, until the next start.
ALTER TABLE claim ADD COLUMN key_sealed TEXT;
ALTER TABLE upload ADD COLUMN key_sealed TEXT;

-- What the log came to, kept beside it; replaying the log is the proof.
ALTER TABLE claim ADD COLUMN snapshot_sealed TEXT;

-- SHA-256 of what was written down with an event and stands elsewhere: accounts of payees. Part of the event's hash.
ALTER TABLE event ADD COLUMN beside TEXT NOT NULL DEFAULT '';

-- Looks have a chain of their own.
ALTER TABLE look ADD COLUMN hash TEXT NOT NULL DEFAULT '';
