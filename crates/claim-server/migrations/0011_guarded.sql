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
CREATE INDEX session_seen ON session(seen_at);
