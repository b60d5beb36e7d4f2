-- Virtual wards: who is on one, until when, and what is to be looked at afterwards.
-- Nobody leaves by the clock: an episode that has expired goes on until somebody discharges.

CREATE TABLE alerts.ward_episode (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_no bigint NOT NULL REFERENCES ingest.person (no),
    ward text NOT NULL,
    team_no bigint REFERENCES alerts.team (no), -- takes the person's alerts, where there is one
    admitted_at timestamptz NOT NULL,
    admitted_by text NOT NULL,
    reason text NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > admitted_at),
    review_raised_at timestamptz,               -- the alert that asks whether to go on
    discharged_at timestamptz,
    discharged_by text,
    outcome text,
    follow_up_at timestamptz,
    follow_up_raised_at timestamptz,
    CHECK ((discharged_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX ward_episode_open ON alerts.ward_episode (person_no) WHERE discharged_at IS NULL;
CREATE INDEX ward_episode_review ON alerts.ward_episode (expires_at)
    WHERE discharged_at IS NULL AND review_raised_at IS NULL;
CREATE INDEX ward_episode_follow_up ON alerts.ward_episode (follow_up_at)
    WHERE follow_up_at IS NOT NULL AND follow_up_raised_at IS NULL;
