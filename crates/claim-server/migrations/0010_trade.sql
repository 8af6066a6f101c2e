-- Policies whole, sealed; beside them what they are found by. Of those that a demo wrote before only the number is left,
-- until it is imported again.
ALTER TABLE policy ADD COLUMN sealed TEXT NOT NULL DEFAULT '';
ALTER TABLE policy ADD COLUMN vin_index TEXT;
ALTER TABLE policy ADD COLUMN source TEXT NOT NULL DEFAULT 'file';      -- file, or the insurer's own system
ALTER TABLE policy ADD COLUMN fetched_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX policy_vin ON policy(vin_index);
CREATE TABLE policy_person (
  id          INTEGER PRIMARY KEY,
  policy_id   TEXT NOT NULL REFERENCES policy(id),
  kind        TEXT NOT NULL,          -- holder, insured
  phone_index TEXT,
  id_no_index TEXT
) STRICT;
CREATE INDEX policy_person_policy ON policy_person(policy_id);
CREATE INDEX policy_person_phone ON policy_person(phone_index);
CREATE INDEX policy_person_id_no ON policy_person(id_no_index);
INSERT INTO policy_person (policy_id, kind, phone_index, id_no_index) SELECT id, 'holder', phone_index, id_no_index FROM policy;
DROP INDEX policy_phone;
DROP INDEX policy_id_no;
ALTER TABLE policy DROP COLUMN insured_sealed;
ALTER TABLE policy DROP COLUMN phone_index;
ALTER TABLE policy DROP COLUMN id_no_index;
ALTER TABLE policy DROP COLUMN on_file;
CREATE INDEX claim_policy ON claim(policy_id);

-- In which right somebody takes part in a claim (claim_domain::lifecycle::Role): proved, never declared. Whoever saw
-- everything because he said so follows the stages from now on.
ALTER TABLE party ADD COLUMN role TEXT NOT NULL DEFAULT 'reporter';
ALTER TABLE party ADD COLUMN rank INTEGER NOT NULL DEFAULT 1;         -- the stronger right stays
ALTER TABLE party ADD COLUMN payee INTEGER;                           -- the number of a payee, where that is the right
ALTER TABLE party ADD COLUMN until INTEGER;                           -- the first moment at which it has ended
UPDATE party SET role = 'owner', rank = 9 WHERE EXISTS (
  SELECT 1 FROM claim c JOIN policy_person x ON x.policy_id = c.policy_id JOIN subject s ON s.phone_index = x.phone_index
  WHERE c.id = party.claim_id AND s.id = party.subject_id);
ALTER TABLE party DROP COLUMN sees;
ALTER TABLE claim DROP COLUMN reporter_sees;

-- Rights that were proved for a phone, whether or not anybody has signed in with it yet.
CREATE TABLE access (
  claim_id    TEXT NOT NULL REFERENCES claim(id),
  phone_index TEXT NOT NULL,
  role        TEXT NOT NULL,
  payee       INTEGER,
  until       INTEGER,
  PRIMARY KEY (claim_id, phone_index, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_phone ON access(phone_index);

-- Links by which a policyholder says 这不是我报的.
CREATE TABLE disown (
  token_hash TEXT PRIMARY KEY,
  claim_id   TEXT NOT NULL REFERENCES claim(id),
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Claims whose policy is still looked for.
CREATE TABLE lookup (
  claim_id TEXT PRIMARY KEY REFERENCES claim(id),
  next_at  INTEGER NOT NULL,
  tries    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX lookup_next ON lookup(next_at);

-- What the newest decision of a claim takes of each cover: what is left of a year's sum is counted here.
CREATE TABLE award (
  claim_id  TEXT NOT NULL REFERENCES claim(id),
  policy_id TEXT NOT NULL REFERENCES policy(id),
  place     INTEGER NOT NULL,
  cover     TEXT NOT NULL,
  fen       INTEGER NOT NULL,
  PRIMARY KEY (claim_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX award_policy ON award(policy_id, cover);

-- Each payee of a claim has an instruction of his own.
ALTER TABLE payment ADD COLUMN payee INTEGER NOT NULL DEFAULT 1;

-- Answers of the bank to instructions that nobody has ordered.
CREATE TABLE stray_answer (
  instruction TEXT PRIMARY KEY,
  paid        INTEGER NOT NULL,
  at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ended, and its person wanted it erased: kept because the law orders it, and nobody works with it (PIPL 47).
ALTER TABLE claim ADD COLUMN locked_at INTEGER;
