-- One hash chain per alert over its events (alerts/chain.py), and roots over all chains.
-- Events that are there already stay without a hash: they are older than the chain.

ALTER TABLE alerts.event
    ADD COLUMN salt bytea,                      -- null: older than the chain, or the texts were erased
    ADD COLUMN reason_digest bytea,             -- SHA-256 of salt and reason
    ADD COLUMN detail_digest bytea,             -- SHA-256 of salt and detail
    ADD COLUMN hash bytea;                      -- null: older than the chain
ALTER TABLE alerts.alert ADD COLUMN head bytea; -- hash of its newest event

CREATE FUNCTION alerts.keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- Erasing the texts, together with their salt, is all that may ever be changed.
        OLD.reason := NULL;
        OLD.detail := '{}';
        OLD.salt := NULL;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'events of alerts are kept as they were written: only their texts can be erased'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER event_kept BEFORE UPDATE OR DELETE ON alerts.event
    FOR EACH ROW EXECUTE FUNCTION alerts.keep_event();
CREATE TRIGGER event_all_kept BEFORE TRUNCATE ON alerts.event
    FOR EACH STATEMENT EXECUTE FUNCTION alerts.keep_event();

-- Roots, one an hour: each covers the heads that moved since the root before, and that root.
CREATE TABLE alerts.root (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    after bigint NOT NULL,                      -- the event that the root before reached
    before bytea NOT NULL,                      -- that root
    event_no bigint NOT NULL,                   -- the highest event it covers
    heads bigint NOT NULL,                      -- how many alerts moved
    hash bytea NOT NULL,
    filed_at timestamptz,                       -- when it was published into the file
    posted_at timestamptz                       -- when the address outside had it
);
