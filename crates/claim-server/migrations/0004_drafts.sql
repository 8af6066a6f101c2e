-- Answers of reports that are being written, of customers who have signed in. rev counts the writes: the ETag.
CREATE TABLE draft (
  id         TEXT NOT NULL,             -- the key under which the report will come
  subject_id TEXT NOT NULL REFERENCES subject(id),
  rev        INTEGER NOT NULL,
  sealed     TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (subject_id, id)
) STRICT, WITHOUT ROWID;

-- For what is counted or followed at each request.
CREATE INDEX submission_subject ON submission(subject_id, created_at);
CREATE INDEX otp_session ON otp(session_hash, sent_at);
CREATE INDEX document_upload ON document(upload_id);
CREATE INDEX upload_open ON upload(touched_at) WHERE claim_id IS NULL;
