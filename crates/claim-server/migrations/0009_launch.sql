-- Links from the insurer's own menu that were used, until they would have run out.
CREATE TABLE launch (
  nonce_hash TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
