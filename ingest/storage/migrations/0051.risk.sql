-- The band of risk that a model or an import gave, beside what a professional judged. The judgement
-- counts as long as it stands; the model run again changes the model's band alone.

ALTER TABLE ingest.person
    ADD COLUMN model_band text CHECK (model_band IN ('green', 'amber', 'red')),
    ADD COLUMN judged boolean NOT NULL DEFAULT false;   -- risk_band is a professional's judgement
UPDATE ingest.person SET model_band = risk_band;

-- Append-only: who judged what, when and why; a null band takes the judgement back.
CREATE TABLE ingest.risk_judgement (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_no bigint NOT NULL REFERENCES ingest.person (no) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    by text NOT NULL,
    band text CHECK (band IN ('green', 'amber', 'red')),
    model_band text,                            -- what the model said then
    reason text NOT NULL
);
CREATE INDEX risk_judgement_person ON ingest.risk_judgement (person_no, no);
