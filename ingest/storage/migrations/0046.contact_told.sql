-- When messages tell a contact, as the person wishes. Ringing them is somebody's own judgement.

ALTER TABLE ingest.contact ADD COLUMN told text NOT NULL DEFAULT 'emergencies'
    CHECK (told IN ('never', 'emergencies', 'always'));
