-- What proves that a phone is the one that reported, when its cookie was lost: SHA-256 of the Submission-Secret.
ALTER TABLE submission ADD COLUMN secret_hash TEXT;
