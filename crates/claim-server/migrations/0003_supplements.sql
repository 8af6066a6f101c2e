-- Documents that the insurer has already, by id, as a JSON list: never asked for again (投诉办法第十三条).
ALTER TABLE policy ADD COLUMN on_file TEXT NOT NULL DEFAULT '[]';
