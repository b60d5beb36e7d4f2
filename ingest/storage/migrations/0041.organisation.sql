-- Who takes what, where and when: teams with hours and what they take, their members and rotas,
-- caseloads; areas of health and council apart, practices in clusters.
-- All with a default, so that the release before goes on writing teams, areas, sites and people.

ALTER TABLE ingest.area ADD COLUMN kind text NOT NULL DEFAULT 'health'
    CHECK (kind IN ('health', 'council'));
ALTER TABLE ingest.site ADD COLUMN council_area_no bigint REFERENCES ingest.area (no);
ALTER TABLE ingest.practice ADD COLUMN cluster text;
-- where somebody near the end of life wishes to be cared for; null: no such plan
ALTER TABLE ingest.person ADD COLUMN place_of_care text
    CHECK (place_of_care IN ('home', 'care_home', 'hospice', 'hospital'));

ALTER TABLE alerts.team
    ADD COLUMN site_no bigint,                      -- the on-site team of one site
    ADD COLUMN cluster text,                        -- of the practices it works with
    ADD COLUMN professions text[] NOT NULL DEFAULT '{}',
    ADD COLUMN classes text[],                      -- null: what is usual for its kind
    ADD COLUMN severities text[],                   -- null: all
    -- [{"days": ["mon", ...], "from": "08:00", "to": "22:00"}, ...]; []: always open
    ADD COLUMN hours jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN timezone text NOT NULL DEFAULT 'Europe/London',
    ADD COLUMN holidays text,                       -- list of bank holidays, "GB-ENG"
    ADD COLUMN fallback text,                       -- id of the team that takes over
    ADD COLUMN capacity integer CHECK (capacity > 0);

CREATE TABLE alerts.member (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_no bigint NOT NULL REFERENCES alerts.team (no),
    account text,                                   -- where they sign in
    name text NOT NULL,
    profession text,
    rank smallint NOT NULL DEFAULT 1,               -- in the order of being called
    UNIQUE (team_no, name)
);

CREATE TABLE alerts.shift (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_no bigint NOT NULL REFERENCES alerts.team (no),
    member_no bigint NOT NULL REFERENCES alerts.member (no) ON DELETE CASCADE,
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    duty text NOT NULL DEFAULT 'duty' CHECK (duty IN ('duty', 'on_call', 'leave')),
    swapped_from bigint REFERENCES alerts.shift (no) ON DELETE SET NULL, -- the shift it takes over
    CHECK (starts < ends),
    UNIQUE (member_no, starts, duty)
);
CREATE INDEX shift_team ON alerts.shift (team_no, starts);

-- Who looks after a person before any team of the place does.
CREATE TABLE alerts.caseload (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_no bigint NOT NULL,
    role text NOT NULL CHECK (role IN ('virtual_ward', 'key_worker', 'community_matron', 'specialist')),
    team_no bigint REFERENCES alerts.team (no),
    account text,                                   -- of a member, whose team it is then
    CHECK (team_no IS NOT NULL OR account IS NOT NULL)
);
CREATE UNIQUE INDEX caseload_once
    ON alerts.caseload (person_no, role, coalesce(team_no, 0), coalesce(account, ''));
