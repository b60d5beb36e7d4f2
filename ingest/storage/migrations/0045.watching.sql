-- What the hub needs to watch itself that nothing else keeps.

-- Messages that the broker itself gave up on, as it counts them.
CREATE TABLE ingest.broker_loss (
    at timestamptz NOT NULL DEFAULT now(),
    messages bigint NOT NULL
);
CREATE INDEX broker_loss_at ON ingest.broker_loss (at);

-- How big the database was, hour by hour.
CREATE TABLE alerts.database_size (
    at timestamptz PRIMARY KEY DEFAULT now(),
    bytes bigint NOT NULL
);

-- How many came to quarantine within an hour is asked every few seconds.
CREATE INDEX quarantine_received ON ingest.quarantine (received_at);
