-- Steps: what is due about an alert and when. Every alert that isn't closed has one that is pending.

CREATE TABLE alerts.step (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_no bigint NOT NULL REFERENCES alerts.alert (no),
    run integer NOT NULL,                       -- which time that the alert asked for attention
    position smallint NOT NULL,                 -- of the chain's step; from 100 on those that watch
    repetition integer NOT NULL,
    kind text NOT NULL,
    tell text,                                  -- whom a step of the chain tells
    rank smallint NOT NULL,                     -- severity, so that the worst is taken first
    due_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'stopped', 'stale')),
    done_at timestamptz,
    UNIQUE (alert_no, run, position, repetition)
);
CREATE INDEX step_due ON alerts.step (rank, due_at) WHERE state = 'pending';
CREATE INDEX step_pending ON alerts.step (alert_no) WHERE state = 'pending';

-- Teams that were told beside the one it was routed to: it is on their queue too.
ALTER TABLE alerts.alert ADD COLUMN told_teams bigint[] NOT NULL DEFAULT '{}';
CREATE INDEX alert_told ON alerts.alert USING gin (told_teams) WHERE state <> 'closed';

-- Times in which a person, home or device pages nobody, but for emergencies. All have an end.
CREATE TABLE alerts.mute (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_no bigint,
    dwelling_no bigint,
    device_no bigint,
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL CHECK (ends > starts),
    reason text NOT NULL,
    by text NOT NULL,
    ended_at timestamptz,                       -- taken back before its end
    CHECK (num_nonnulls(person_no, dwelling_no, device_no) = 1)
);
CREATE INDEX mute_person ON alerts.mute (person_no, ends);
CREATE INDEX mute_dwelling ON alerts.mute (dwelling_no, ends);
CREATE INDEX mute_device ON alerts.mute (device_no, ends);

-- When a part of the hub that works by the clock last did, by the database's clock.
CREATE TABLE alerts.tick (
    name text PRIMARY KEY,
    at timestamptz NOT NULL
);
