-- What the rules need to go on where they were, and what they decided that is no alert.

-- The memory of the rules per shard, and how far the log had been judged when it was taken.
CREATE TABLE alerts.checkpoint (
    shard smallint PRIMARY KEY,
    at timestamptz NOT NULL,
    packs text NOT NULL,                        -- digest of the rules it belongs to
    cursors jsonb NOT NULL,                     -- {"writer": batch}
    state bytea NOT NULL
);

-- Since when the hub has been listening to its devices without a break: one row.
CREATE TABLE alerts.hearing (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    since timestamptz NOT NULL,
    at timestamptz NOT NULL                     -- when it was last seen to listen
);

-- Times in which it did not: nobody was silent then.
CREATE TABLE alerts.outage (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began timestamptz NOT NULL,
    ended timestamptz NOT NULL
);

-- Decisions that page nobody: of packs in the shadow, muted ones, commands to devices.
CREATE TABLE alerts.decision (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('shadow', 'muted', 'command')),
    outcome text NOT NULL,
    rule_id text NOT NULL,
    rule_version text NOT NULL,
    severity text NOT NULL,
    person_no bigint,
    dwelling_no bigint,
    device_no bigint,
    title text NOT NULL,
    reason text NOT NULL,
    reading_at timestamptz,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX decision_at ON alerts.decision (at);
CREATE INDEX decision_person ON alerts.decision (person_no, at);

-- What devices said of themselves is looked at every few seconds.
CREATE INDEX device_state_seen ON ingest.device_state (seen_at);

-- Open alerts of a home are read when its memory is loaded.
CREATE INDEX alert_dwelling ON alerts.alert (dwelling_no) WHERE state <> 'closed';
