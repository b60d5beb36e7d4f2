-- Readings: a hypertable where TimescaleDB can be had, else native weekly range partitions
-- (made ahead by ingest.storage.levels), with a default partition so that nothing is refused.

DO $$
DECLARE
    columns constant text := '(
        time timestamptz NOT NULL,              -- measured, corrected
        received_at timestamptz NOT NULL,
        device_no bigint NOT NULL,
        quantity smallint NOT NULL,
        part integer NOT NULL,                  -- ingest.part, 0: none
        value double precision,                 -- null only for a text answer
        answer text,
        flags integer NOT NULL,                 -- ingest.kernel.observation.Quality
        person_no bigint,                       -- null: nobody in particular
        dwelling_no bigint NOT NULL,
        sent_time timestamptz                   -- as the device said it, where that was corrected
    )';
    timescale boolean := false;
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
        BEGIN
            CREATE EXTENSION IF NOT EXISTS timescaledb;
            timescale := true;
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE 'timescaledb is installed but can not be used: %', SQLERRM;
        END;
    END IF;
    IF timescale THEN
        EXECUTE 'CREATE TABLE ingest.observation ' || columns;
        EXECUTE 'SELECT create_hypertable(''ingest.observation'', ''time'', chunk_time_interval => interval ''7 days'', create_default_indexes => false)';
    ELSE
        EXECUTE 'CREATE TABLE ingest.observation ' || columns || ' PARTITION BY RANGE (time)';
        EXECUTE 'CREATE TABLE ingest.observation_default PARTITION OF ingest.observation DEFAULT';
    END IF;
END $$;

-- The same reading delivered again changes nothing.
CREATE UNIQUE INDEX observation_once ON ingest.observation
    (device_no, quantity, part, time, value, answer) NULLS NOT DISTINCT;

CREATE INDEX observation_person ON ingest.observation (person_no, quantity, time)
    WHERE person_no IS NOT NULL;
