-- The rules that claims began with, by their hash: a claim keeps its version to the end.
CREATE TABLE rules (
  version TEXT PRIMARY KEY,
  json    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- claim_domain::documents::File and the verdict on it (rule, severity, finding), as JSON; judged when it arrived.
ALTER TABLE document ADD COLUMN facts TEXT;
ALTER TABLE document ADD COLUMN doubts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE document ADD COLUMN rules_version TEXT NOT NULL DEFAULT '';

-- Answers, reasons and typed values of a claim; and its request with signature and consents.
CREATE TABLE folder (
  claim_id       TEXT PRIMARY KEY REFERENCES claim(id),
  sealed         TEXT NOT NULL,
  request_sealed TEXT
) STRICT, WITHOUT ROWID;
