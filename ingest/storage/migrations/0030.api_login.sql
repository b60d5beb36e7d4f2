-- Failed sign-ins, by (account, address) and by address: the keys are digests, never names.

CREATE TABLE api.login_failure (
    key bytea PRIMARY KEY,
    failures integer NOT NULL,
    since timestamptz NOT NULL
);
CREATE INDEX login_failure_since ON api.login_failure (since);

CREATE INDEX token_account ON api.token (account_no);
CREATE INDEX token_expires ON api.token (expires_at);
CREATE INDEX audit_at ON api.audit (at);
