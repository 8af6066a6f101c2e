-- Machines in branches, enrolled by a code that an operator made.
CREATE TABLE kiosk (
  name         TEXT PRIMARY KEY,
  code_hash    TEXT UNIQUE,            -- until it is used
  code_until   INTEGER NOT NULL,
  token_hash   TEXT UNIQUE,            -- of the machine's cookie
  paper        TEXT NOT NULL,          -- 58, 80, a4
  idle_seconds INTEGER NOT NULL        -- without a touch, until it asks
) STRICT, WITHOUT ROWID;

-- What moves between a machine and a phone, by a secret that is shown as a QR code and used once.
CREATE TABLE handoff (
  id            TEXT PRIMARY KEY,
  secret_hash   TEXT NOT NULL UNIQUE,
  kiosk         TEXT NOT NULL REFERENCES kiosk(name) ON DELETE CASCADE,
  parcel_sealed TEXT,                  -- the report that is being written; nothing where something is to be printed
  ticket_sealed TEXT,                  -- what is to be printed
  expires_at    INTEGER NOT NULL,
  taken_by      TEXT,                  -- the subject that has redeemed it
  done          INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
