-- Nobody has to keep it any longer: its key, its files and what people are found by are gone; the log stays, sealed with a
-- key that nobody has, so that every chain still holds.
ALTER TABLE claim ADD COLUMN erased_at INTEGER;
CREATE INDEX claim_erased ON claim(id) WHERE erased_at IS NOT NULL;
