-- The stream: slots, writers, the log, quarantine, alarms, the way back to the devices.

-- Rooms and questionnaire keys, interned so that a reading is a row of fixed width.
CREATE TABLE ingest.part (
    no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9_.-]{1,40}$')
);

-- A slot is a broker session with a fixed client id; held by an advisory lock (class 1, slot no).
CREATE TABLE ingest.slot (
    no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('obs', 'event', 'status')),
    position smallint NOT NULL,
    holder text,
    connected_at timestamptz,
    probed_at timestamptz,                      -- last time its own probe came back
    UNIQUE (lane, position)
);

-- A writer is one database session of one lane connection; alive while its advisory lock
-- (class 2, writer no) is held. Within a writer, batch order is commit order.
CREATE TABLE ingest.writer (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('obs', 'event')),
    opened_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
CREATE INDEX writer_live ON ingest.writer (no) WHERE retired_at IS NULL;

-- The log the rules read: the batch's new rows of one shard, packed (ingest.kernel.observation.ROW).
CREATE TABLE ingest.log (
    at timestamptz NOT NULL DEFAULT now(),
    writer bigint NOT NULL,
    batch bigint NOT NULL,
    shard smallint NOT NULL,
    version smallint NOT NULL,
    rows bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX log_reader ON ingest.log (writer, shard, batch);
CREATE TABLE ingest.log_default PARTITION OF ingest.log DEFAULT;

-- Emergencies, one row each; repeats of the same alarm id only count.
CREATE TABLE ingest.alarm (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer bigint NOT NULL,
    batch bigint NOT NULL,
    site text NOT NULL,
    device text NOT NULL,
    alarm_id text NOT NULL,
    receipt_id text NOT NULL,
    quantity smallint NOT NULL,
    cancel boolean NOT NULL,
    place text NOT NULL DEFAULT '',
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    flags integer NOT NULL,
    device_no bigint,
    person_no bigint,
    dwelling_no bigint,
    detail text NOT NULL DEFAULT '',
    repeats integer NOT NULL DEFAULT 0,
    last_received_at timestamptz NOT NULL,
    UNIQUE (site, device, alarm_id, quantity, cancel)
);
CREATE INDEX alarm_reader ON ingest.alarm (writer, batch);

-- Packs timed by the hub have no time of their own to be told apart by.
CREATE TABLE ingest.hub_timed (
    site text NOT NULL,
    device text NOT NULL,
    digest bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (site, device, digest)
);
CREATE INDEX hub_timed_age ON ingest.hub_timed (received_at);

CREATE TABLE ingest.quarantine (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site text NOT NULL,
    device text NOT NULL,
    topic text NOT NULL,
    content_type text,
    payload bytea NOT NULL,
    digest bytea NOT NULL,
    reason text NOT NULL,                       -- a short code
    refused jsonb NOT NULL DEFAULT '[]',        -- [{"record": 3, "reason": "..."}]
    received_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    times integer NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'queued', 'replayed', 'refused')),
    replayed_at timestamptz,
    UNIQUE (site, device, digest)
);
CREATE INDEX quarantine_waiting ON ingest.quarantine (site, device) WHERE state = 'waiting';
CREATE INDEX quarantine_queued ON ingest.quarantine (no) WHERE state = 'queued';

-- What the hub has to say to devices.
CREATE TABLE ingest.outbox (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site text NOT NULL,
    device text NOT NULL,
    tail text NOT NULL CHECK (tail IN ('cmd', 'receipt')),
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    tries smallint NOT NULL DEFAULT 0,
    sent_at timestamptz,                        -- the broker has it
    answered_at timestamptz,                    -- a command's cmd/ack
    answer jsonb,
    failed text                                 -- 'expired' or why it was given up
);
CREATE INDEX outbox_due ON ingest.outbox (next_try_at) WHERE sent_at IS NULL AND failed IS NULL;
