-- Delivery: how people are reached, and each message to one of them with what became of it.

-- Whose a receiver is stands in one of the three columns; in none: the hub's own operators.
CREATE TABLE alerts.receiver (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_no bigint REFERENCES alerts.team (no) ON DELETE CASCADE,
    member_no bigint,
    contact_no bigint REFERENCES ingest.contact (no) ON DELETE CASCADE,
    channel text NOT NULL,                      -- apprise, sms, email, letter, webhook, fhir, console
    address bytea NOT NULL,                     -- encrypted with the hub's secret key
    rank smallint NOT NULL DEFAULT 1,           -- the lowest is told; the next takes over when it fails
    language text NOT NULL DEFAULT 'en',
    -- {"from": "22:00", "to": "07:00", "timezone": "Europe/London", "below": "urgent"}
    quiet jsonb,
    failing_since timestamptz,                  -- nothing has got through since; null: all is well
    failed_at timestamptz,                      -- the last failure
    CHECK (num_nonnulls(team_no, member_no, contact_no) <= 1)
);
CREATE INDEX receiver_team ON alerts.receiver (team_no);
CREATE INDEX receiver_member ON alerts.receiver (member_no);
CREATE INDEX receiver_contact ON alerts.receiver (contact_no);

CREATE TABLE alerts.delivery (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- the idempotency key: of the alert, run, step and receiver. A crash may send it twice, no more
    key text NOT NULL UNIQUE,
    alert_no bigint NOT NULL REFERENCES alerts.alert (no),
    run integer NOT NULL,
    position integer NOT NULL,
    repetition integer NOT NULL,
    channel text NOT NULL,
    receiver_no bigint REFERENCES alerts.receiver (no) ON DELETE SET NULL,
    receiver_kind text NOT NULL CHECK (receiver_kind IN ('team', 'member', 'contact', 'hub')),
    owner_no bigint NOT NULL,                   -- the number of that team, member or contact; the hub: 0
    -- encrypted, and forgotten once it is not needed; of a contact without receivers the register's
    address bytea,
    language text NOT NULL,
    template text NOT NULL,
    urgency smallint NOT NULL,                  -- 4 for an emergency down to 1
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'delivered', 'failed', 'dead', 'stopped')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,               -- when it may be taken: quiet hours, waits, leases
    queued_at timestamptz NOT NULL,
    sent_at timestamptz,
    delivered_at timestamptz,                   -- proof: the receiver's own word, or the provider's
    answered_at timestamptz,                    -- a contact's answer by link: the link works once
    provider_ref text,
    error text,                                 -- never an address
    fallback_of bigint REFERENCES alerts.delivery (no)
);
CREATE INDEX delivery_due ON alerts.delivery (channel, urgency DESC, queued_at, no)
    WHERE state = 'queued';
CREATE INDEX delivery_alert ON alerts.delivery (alert_no);
CREATE INDEX delivery_receiver ON alerts.delivery (receiver_no);
CREATE INDEX delivery_unproven ON alerts.delivery (channel, sent_at) WHERE state = 'sent';

-- How each channel does, as all alerts processes together see it.
CREATE TABLE alerts.channel (
    name text PRIMARY KEY,
    ready boolean NOT NULL DEFAULT false,       -- it is set up
    failing_since timestamptz,
    failed_at timestamptz,
    reason text
);
