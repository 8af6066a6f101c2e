-- Times are seconds since 1970 UTC, amounts fen. *_sealed: AES-256-GCM; *_index: HMAC, for looking up.

CREATE TABLE subject (
  id          TEXT PRIMARY KEY,
  phone_index TEXT UNIQUE,          -- NULL: anonymous
  created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
  token_hash       TEXT PRIMARY KEY,
  subject_id       TEXT NOT NULL REFERENCES subject(id),
  created_at       INTEGER NOT NULL,
  seen_at          INTEGER NOT NULL,
  phone_sealed     TEXT              -- set by OTP
) STRICT;
CREATE INDEX session_subject ON session(subject_id);

CREATE TABLE otp (
  id          INTEGER PRIMARY KEY,
  phone_index TEXT NOT NULL,
  session_hash TEXT NOT NULL,
  network     TEXT NOT NULL,
  code_hmac   TEXT NOT NULL,
  sent_at     INTEGER NOT NULL,
  tries       INTEGER NOT NULL DEFAULT 0,
  used        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX otp_phone ON otp(phone_index, sent_at);
CREATE INDEX otp_network ON otp(network, sent_at);

CREATE TABLE message (
  id           INTEGER PRIMARY KEY,
  phone_sealed TEXT NOT NULL,
  text_sealed  TEXT NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE policy (
  id             TEXT PRIMARY KEY,
  no             TEXT NOT NULL UNIQUE,
  lob            TEXT NOT NULL,
  insured_sealed TEXT NOT NULL,
  phone_index    TEXT NOT NULL,
  id_no_index    TEXT NOT NULL,
  plate          TEXT,
  starts_at      INTEGER NOT NULL,
  ends_at        INTEGER NOT NULL
) STRICT;
CREATE INDEX policy_phone ON policy(phone_index);
CREATE INDEX policy_id_no ON policy(id_no_index);
CREATE INDEX policy_plate ON policy(plate);

CREATE TABLE claim (
  id                   TEXT PRIMARY KEY,
  no                   TEXT NOT NULL UNIQUE,
  lob                  TEXT NOT NULL,
  incident             TEXT NOT NULL,
  stage                TEXT NOT NULL, -- of the newest event, for lists
  loss_at              INTEGER NOT NULL,
  reported_at          INTEGER NOT NULL,
  notice_sealed        TEXT NOT NULL,
  reporter_phone_index TEXT NOT NULL,
  policy_id            TEXT REFERENCES policy(id),
  rules_version        TEXT NOT NULL,
  channel              TEXT NOT NULL
) STRICT;
CREATE INDEX claim_reporter ON claim(reporter_phone_index);
CREATE INDEX claim_reported ON claim(reported_at);

-- Who may see a claim.
CREATE TABLE party (
  claim_id   TEXT NOT NULL REFERENCES claim(id),
  subject_id TEXT NOT NULL REFERENCES subject(id),
  PRIMARY KEY (claim_id, subject_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX party_subject ON party(subject_id);

-- One row for ever per idempotency key: there is no expiry through which a report could be doubled.
CREATE TABLE submission (
  key        TEXT PRIMARY KEY,
  subject_id TEXT NOT NULL REFERENCES subject(id),
  body_hash  TEXT NOT NULL,
  claim_id   TEXT NOT NULL REFERENCES claim(id),
  reply      TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE event (
  claim_id TEXT NOT NULL REFERENCES claim(id),
  seq      INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  actor    TEXT NOT NULL,
  what     TEXT NOT NULL,
  hash     TEXT NOT NULL,            -- SHA-256 of the hash before and of this row
  PRIMARY KEY (claim_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append only'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append only'); END;

CREATE TABLE upload (
  id         TEXT PRIMARY KEY,
  subject_id TEXT NOT NULL REFERENCES subject(id),
  length     INTEGER NOT NULL,
  at_offset  INTEGER NOT NULL DEFAULT 0,
  sha256     TEXT,
  touched_at INTEGER NOT NULL,
  claim_id   TEXT REFERENCES claim(id) -- linked uploads never expire
) STRICT;
CREATE INDEX upload_subject ON upload(subject_id);

CREATE TABLE document (
  id          TEXT PRIMARY KEY,
  claim_id    TEXT NOT NULL REFERENCES claim(id),
  slot        TEXT NOT NULL,
  upload_id   TEXT NOT NULL REFERENCES upload(id),
  sha256      TEXT NOT NULL,
  bytes       INTEGER NOT NULL,
  width       INTEGER NOT NULL,
  height      INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  UNIQUE (claim_id, slot, sha256)
) STRICT;

CREATE TABLE staff (
  name          TEXT PRIMARY KEY,    -- what is typed at the login
  shown_as      TEXT NOT NULL,       -- what customers see: family name and work number
  desk          TEXT NOT NULL,
  password_hash TEXT NOT NULL
) STRICT;

CREATE TABLE staff_session (
  token_hash TEXT PRIMARY KEY,
  staff_name TEXT NOT NULL REFERENCES staff(name),
  created_at INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL
) STRICT;
