-- Alerts: where the rules have read to, what they raised, what people did about it.

CREATE SCHEMA alerts;

CREATE TABLE alerts.team (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    name text NOT NULL,
    kind text NOT NULL,
    area_no bigint,                             -- null: serves every area
    phone text
);

-- Shards are taken by advisory lock (class 3, shard); the lock is for economy, the
-- compare-and-set on these cursors is what fences two workers.
CREATE TABLE alerts.cursor (
    stream smallint NOT NULL,                   -- a shard, or -1 for the alarm stream
    writer bigint NOT NULL,
    batch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, writer)
);

CREATE TABLE alerts.alert (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- one open alert per episode key: "person:17/news2", "device:maple-court/pendant-1/sos"
    episode text NOT NULL,
    source text NOT NULL CHECK (source IN ('device', 'rule', 'person', 'system')),
    rule_id text NOT NULL,
    rule_version text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('emergency', 'urgent', 'soon', 'information')),
    title text NOT NULL,
    reason text NOT NULL,
    evidence jsonb NOT NULL DEFAULT '[]',       -- [{code, value, unit, time}]; ages are told at reading
    person_no bigint,
    dwelling_no bigint,
    device_no bigint,
    site text,                                  -- where an unregistered device spoke from
    raised_at timestamptz NOT NULL,
    reading_at timestamptz,
    late boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'in_progress', 'closed')),
    condition text NOT NULL DEFAULT 'active' CHECK (condition IN ('active', 'cleared')),
    team_no bigint REFERENCES alerts.team (no),
    routed_because text NOT NULL DEFAULT '',
    owner text,                                 -- account name
    next_step_at timestamptz,
    pages integer NOT NULL DEFAULT 1,           -- how often it asked for attention
    disposition text,
    version integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX alert_episode ON alerts.alert (episode) WHERE state <> 'closed';
CREATE INDEX alert_queue ON alerts.alert (team_no, severity, raised_at) WHERE state <> 'closed';
CREATE INDEX alert_person ON alerts.alert (person_no, raised_at);

-- Append-only; numbered in commit order (the number is taken under a transaction-level
-- advisory lock just before commit), so that a reader of numbers never skips one.
CREATE TABLE alerts.event (
    no bigint PRIMARY KEY,
    alert_no bigint NOT NULL REFERENCES alerts.alert (no),
    at timestamptz NOT NULL,
    kind text NOT NULL,     -- raised, pressed_again, changed, cancelled, cleared, acknowledged, note, closed, ...
    by text,                -- account name; null: the hub itself
    reason text,
    detail jsonb NOT NULL DEFAULT '{}',
    alert_version integer NOT NULL
);
CREATE SEQUENCE alerts.event_no;
CREATE INDEX event_alert ON alerts.event (alert_no, no);

-- Which alarms (ingest.alarm.no) an alert speaks for: for receipts and for cancels.
CREATE TABLE alerts.alert_alarm (
    alert_no bigint NOT NULL REFERENCES alerts.alert (no),
    alarm_no bigint NOT NULL,
    site text NOT NULL,
    device text NOT NULL,
    receipt_id text NOT NULL,
    PRIMARY KEY (alert_no, alarm_no)
);
