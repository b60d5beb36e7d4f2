-- Which homes the register has changed, so that whoever remembers them reads those again and not all.
-- Read by transaction: rows of transactions that had not ended at the last look are seen at the next.

CREATE TABLE ingest.register_change (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    home_no bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX register_change_xid ON ingest.register_change (xid);

CREATE FUNCTION ingest.note_homes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        EXECUTE format('INSERT INTO ingest.register_change (home_no)
            SELECT DISTINCT %I FROM fresh WHERE %I IS NOT NULL', TG_ARGV[0], TG_ARGV[0]);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format('INSERT INTO ingest.register_change (home_no)
            SELECT DISTINCT %I FROM stale WHERE %I IS NOT NULL', TG_ARGV[0], TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ingest.note_homes_of_devices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ingest.register_change (home_no)
    SELECT DISTINCT a.home_no FROM fresh d JOIN ingest.assignment a ON a.device_no = d.no;
    RETURN NULL;
END $$;

CREATE FUNCTION ingest.note_homes_of_sites() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ingest.register_change (home_no)
    SELECT h.no FROM fresh s JOIN stale o ON o.no = s.no JOIN ingest.home h ON h.site_no = s.no
    WHERE (s.timezone, s.area_no) IS DISTINCT FROM (o.timezone, o.area_no);
    RETURN NULL;
END $$;

CREATE TRIGGER home_added AFTER INSERT ON ingest.home
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('no');
CREATE TRIGGER home_changed AFTER UPDATE ON ingest.home
    REFERENCING NEW TABLE AS fresh OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('no');
CREATE TRIGGER home_gone AFTER DELETE ON ingest.home
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('no');

CREATE TRIGGER person_added AFTER INSERT ON ingest.person
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('home_no');
CREATE TRIGGER person_changed AFTER UPDATE ON ingest.person
    REFERENCING NEW TABLE AS fresh OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('home_no');
CREATE TRIGGER person_gone AFTER DELETE ON ingest.person
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('home_no');

CREATE TRIGGER assignment_added AFTER INSERT ON ingest.assignment
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('home_no');
CREATE TRIGGER assignment_changed AFTER UPDATE ON ingest.assignment
    REFERENCING NEW TABLE AS fresh OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('home_no');
CREATE TRIGGER assignment_gone AFTER DELETE ON ingest.assignment
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes('home_no');

CREATE TRIGGER device_changed AFTER UPDATE ON ingest.device
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes_of_devices();
CREATE TRIGGER site_changed AFTER UPDATE ON ingest.site
    REFERENCING NEW TABLE AS fresh OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION ingest.note_homes_of_sites();
