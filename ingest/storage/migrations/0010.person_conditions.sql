-- What the rules need to know of people and rooms: long-term conditions and marks
-- (ingest/kernel/conditions.py), the clinician's band of risk (null: not assessed), and triggers:
-- rules of their own out of the care plan, as a list
-- [{"id": "low-spo2", "title": "...", "severity": "urgent", "when": "spo2 < '88 %'",
--   "clear": null, "for": "20 min"}, ...]
-- All with a default, so that the release before goes on writing people and devices.

ALTER TABLE ingest.person
    ADD COLUMN conditions text[] NOT NULL DEFAULT '{}',
    ADD COLUMN risk_band text CHECK (risk_band IN ('green', 'amber', 'red')),
    ADD COLUMN triggers jsonb NOT NULL DEFAULT '[]';

-- The room that a device is in, for example a light that may be switched on there.
ALTER TABLE ingest.device ADD COLUMN place text;
