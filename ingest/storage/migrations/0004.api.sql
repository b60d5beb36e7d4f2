-- Staff accounts, tokens, and who looked at whom.

CREATE SCHEMA api;

CREATE TABLE api.account (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('nurse', 'responder', 'operator', 'equipment', 'admin')),
    password_hash text NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api.token (
    digest bytea PRIMARY KEY,                   -- SHA-256 of the token; the token itself is not kept
    account_no bigint NOT NULL REFERENCES api.account (no) ON DELETE CASCADE,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE api.audit (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    account text NOT NULL,
    action text NOT NULL,
    person_no bigint,
    subject text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_person ON api.audit (person_no, at);
