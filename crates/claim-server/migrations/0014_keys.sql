-- What outlives the installation key, sealed with it: one row.
CREATE TABLE secrets (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  sealed TEXT NOT NULL
) STRICT;
