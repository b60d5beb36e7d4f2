-- What measures are made of: alerts by when they were raised, and how many people were heard of.

CREATE INDEX alert_raised ON alerts.alert (raised_at);

-- People with a device of theirs heard on a local day of their site. A day that is not over, or
-- that was counted soon after its end, is counted again; the higher count stays, because what
-- only says that it is alive is known by its newest word alone.
CREATE TABLE alerts.person_days (
    day date NOT NULL,
    site_no bigint NOT NULL,
    practice_no bigint NOT NULL,                -- 0: none
    people integer NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (day, site_no, practice_no)
);
