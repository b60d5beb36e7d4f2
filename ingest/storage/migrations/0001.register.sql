-- The register: who lives where, with which devices, from when to when.

CREATE SCHEMA ingest;

CREATE TABLE ingest.area (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    name text NOT NULL
);

CREATE TABLE ingest.practice (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    name text NOT NULL,
    area_no bigint REFERENCES ingest.area (no)
);

CREATE TABLE ingest.site (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE CHECK (id ~ '^[a-z0-9-]{1,64}$'),
    name text NOT NULL,
    area_no bigint REFERENCES ingest.area (no),
    timezone text NOT NULL DEFAULT 'Europe/London',
    onboarding_hash text
);

CREATE TABLE ingest.home (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    site_no bigint NOT NULL REFERENCES ingest.site (no),
    shard smallint GENERATED ALWAYS AS ((no % 64)::smallint) STORED,
    -- encrypted with the hub's secret key: where somebody lives and how to get in
    address bytea,
    access_notes bytea,
    key_safe bytea
);

CREATE TABLE ingest.person (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    home_no bigint NOT NULL REFERENCES ingest.home (no),
    practice_no bigint REFERENCES ingest.practice (no),
    name text NOT NULL,
    nhs_number text UNIQUE CHECK (nhs_number ~ '^[0-9]{10}$'),
    born date,
    phone text,
    language text NOT NULL DEFAULT 'en',
    communication text,
    scale2 boolean NOT NULL DEFAULT false,      -- NEWS2 SpO2 scale 2, by prescription only
    on_oxygen boolean NOT NULL DEFAULT false,
    pregnant boolean NOT NULL DEFAULT false,
    -- {"spo2": {"low": 90, "high": null}, ...}: limits of the care plan
    limits jsonb NOT NULL DEFAULT '{}',
    registered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX person_home ON ingest.person (home_no);
CREATE INDEX person_name ON ingest.person (lower(name) text_pattern_ops);

CREATE TABLE ingest.contact (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_no bigint NOT NULL REFERENCES ingest.person (no) ON DELETE CASCADE,
    rank smallint NOT NULL,                     -- ringing order, 1 first
    name text NOT NULL,
    relation text,
    phone text NOT NULL,
    UNIQUE (person_no, rank)
);

CREATE TABLE ingest.device (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_no bigint NOT NULL REFERENCES ingest.site (no),
    name text NOT NULL CHECK (name ~ '^[a-z0-9-]{1,64}$'),
    kind text NOT NULL,
    model text,
    password_hash text,
    cadence jsonb NOT NULL DEFAULT '{}',        -- quantity -> seconds between readings
    registered_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (site_no, name)
);

-- Whose readings a device's are. A device shared by a home has no person.
CREATE TABLE ingest.assignment (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_no bigint NOT NULL REFERENCES ingest.device (no) ON DELETE CASCADE,
    person_no bigint REFERENCES ingest.person (no),
    home_no bigint NOT NULL REFERENCES ingest.home (no),
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL DEFAULT 'infinity',
    CHECK (starts < ends),
    UNIQUE (device_no, starts)
);
CREATE INDEX assignment_person ON ingest.assignment (person_no);
CREATE INDEX assignment_home ON ingest.assignment (home_no);

-- The person's move from home to home is a later concern; until then home_no says where they live.

CREATE TABLE ingest.device_state (
    device_no bigint PRIMARY KEY REFERENCES ingest.device (no) ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('online', 'offline', 'sleeping')),
    session text,
    at timestamptz,                             -- by the device's clock
    seen_at timestamptz NOT NULL,               -- by the hub's
    battery real,
    rssi real,
    firmware text,
    cadence jsonb,
    clock_skew_s double precision               -- device clock minus hub clock
);
