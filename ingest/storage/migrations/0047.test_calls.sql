-- Tests of devices that call for help: when somebody said that one is being tested, and each press
-- that was taken for a test.

CREATE TABLE ingest.device_test (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_no bigint NOT NULL REFERENCES ingest.device (no) ON DELETE CASCADE,
    starts timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until > starts),
    by text NOT NULL,                           -- account name
    ended_at timestamptz,                       -- taken back before its end
    ended_by text
);
CREATE INDEX device_test_until ON ingest.device_test (device_no, until);

CREATE TABLE alerts.test_call (
    alarm_no bigint PRIMARY KEY,                -- ingest.alarm
    test_no bigint,                             -- ingest.device_test; null: cancels a test call
    device_no bigint NOT NULL,
    at timestamptz NOT NULL,
    by text NOT NULL                            -- who said that it is being tested
);
CREATE INDEX test_call_device ON alerts.test_call (device_no, at);

-- From when on the monthly test is counted: nobody is overdue for the time before.
ALTER TABLE ingest.device ADD COLUMN test_counted_from timestamptz NOT NULL DEFAULT now();
