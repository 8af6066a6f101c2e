-- What follows from events: messages, deadlines, whatever the machine does by itself.
ALTER TABLE claim ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;           -- of the newest event
ALTER TABLE claim ADD COLUMN attended_seq INTEGER NOT NULL DEFAULT 0;  -- up to which it was followed up
ALTER TABLE claim ADD COLUMN due_at INTEGER;                           -- when something must be looked at again
ALTER TABLE claim ADD COLUMN overdue INTEGER NOT NULL DEFAULT 0;       -- deadlines that have passed, for the queue
UPDATE claim SET seq = (SELECT coalesce(max(e.seq), 0) FROM event e WHERE e.claim_id = claim.id);
-- Those of before: followed up already.
UPDATE claim SET attended_seq = seq, due_at = 0;
CREATE INDEX claim_due ON claim(due_at);
CREATE INDEX claim_unattended ON claim(id) WHERE attended_seq < seq;

-- Who may see everything of a claim, and who only how far it is.
ALTER TABLE party ADD COLUMN sees TEXT NOT NULL DEFAULT 'all';
ALTER TABLE claim ADD COLUMN reporter_sees TEXT NOT NULL DEFAULT 'all';

-- Messages: one for an event and kind, ever.
ALTER TABLE message ADD COLUMN claim_id TEXT REFERENCES claim(id);
ALTER TABLE message ADD COLUMN seq INTEGER;
ALTER TABLE message ADD COLUMN kind TEXT NOT NULL DEFAULT 'code';
ALTER TABLE message ADD COLUMN state TEXT NOT NULL DEFAULT 'queued';   -- queued, sent, failed
ALTER TABLE message ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN next_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN sent_at INTEGER;
UPDATE message SET state = 'sent', sent_at = created_at;
CREATE UNIQUE INDEX message_once ON message(claim_id, seq, kind) WHERE claim_id IS NOT NULL;
CREATE INDEX message_queue ON message(next_at) WHERE state = 'queued';

-- What a phone's owner wants to get, and when.
CREATE TABLE preference (
  phone_index TEXT PRIMARY KEY,
  by_day      INTEGER NOT NULL,     -- not at night
  optional    INTEGER NOT NULL      -- also what is not needed
) STRICT, WITHOUT ROWID;

-- Holder, account and relation of who gets the money; events carry it masked.
CREATE TABLE payee (
  claim_id TEXT PRIMARY KEY REFERENCES claim(id),
  sealed   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A decision that waits for a second pair of eyes.
CREATE TABLE proposal (
  claim_id TEXT PRIMARY KEY REFERENCES claim(id),
  sealed   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the bank was told and what it answered: one answer for an instruction.
CREATE TABLE payment (
  instruction TEXT PRIMARY KEY,
  claim_id    TEXT NOT NULL REFERENCES claim(id),
  amount_fen  INTEGER NOT NULL,
  ordered_at  INTEGER NOT NULL,
  answer      TEXT
) STRICT, WITHOUT ROWID;

-- Links for family and repair shop: how far it is, nothing else.
CREATE TABLE share (
  token_hash TEXT PRIMARY KEY,
  claim_id   TEXT NOT NULL REFERENCES claim(id),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX share_claim ON share(claim_id);

-- Who of the staff looked at which document, when.
CREATE TABLE look (
  id          INTEGER PRIMARY KEY,
  claim_id    TEXT NOT NULL REFERENCES claim(id),
  document_id TEXT NOT NULL,
  staff       TEXT NOT NULL,
  at          INTEGER NOT NULL
) STRICT;
CREATE INDEX look_claim ON look(claim_id);
CREATE TRIGGER look_is_never_changed BEFORE UPDATE ON look BEGIN SELECT RAISE(ABORT, 'looks are append only'); END;
CREATE TRIGGER look_is_never_deleted BEFORE DELETE ON look BEGIN SELECT RAISE(ABORT, 'looks are append only'); END;

-- For staff only: what may be odd about a claim. Never a reason by itself.
CREATE TABLE signal (
  claim_id TEXT NOT NULL REFERENCES claim(id),
  kind     TEXT NOT NULL,
  other    TEXT NOT NULL DEFAULT '',   -- the number of the other claim
  at       INTEGER NOT NULL,
  PRIMARY KEY (claim_id, kind, other)
) STRICT, WITHOUT ROWID;
ALTER TABLE document ADD COLUMN original_sha256 TEXT;
CREATE INDEX document_sha ON document(sha256);
CREATE INDEX document_original ON document(original_sha256);
-- Invoice numbers of claims, by HMAC.
CREATE TABLE invoice (
  number_index TEXT NOT NULL,
  claim_id     TEXT NOT NULL REFERENCES claim(id),
  PRIMARY KEY (number_index, claim_id)
) STRICT, WITHOUT ROWID;

-- 大灾: a region, its days, and the facts that are so for every loss there.
CREATE TABLE catastrophe (
  id       TEXT PRIMARY KEY,
  region   TEXT NOT NULL,
  from_day TEXT NOT NULL,
  to_day   TEXT NOT NULL,
  zh       TEXT NOT NULL,
  en       TEXT NOT NULL,
  active   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE claim ADD COLUMN catastrophe_id TEXT;
