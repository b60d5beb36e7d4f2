-- What people do about alerts: the order of the queue, and whom they sent.

-- The order to work in: worst first, of these what came too late to page, then the longest waiting.
DROP INDEX alerts.alert_queue;
CREATE INDEX alert_queue ON alerts.alert (
    team_no, (array_position(ARRAY['emergency', 'urgent', 'soon', 'information'], severity)),
    (NOT stale), raised_at, no) WHERE state <> 'closed';
CREATE INDEX alert_order ON alerts.alert (
    (array_position(ARRAY['emergency', 'urgent', 'soon', 'information'], severity)),
    (NOT stale), raised_at, no) WHERE state <> 'closed';
CREATE INDEX alert_home ON alerts.alert (dwelling_no) WHERE state <> 'closed';

CREATE TABLE alerts.dispatch (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_no bigint NOT NULL REFERENCES alerts.alert (no),
    team_no bigint REFERENCES alerts.team (no), -- null: somebody who doesn't answer here, in words
    sent_to text NOT NULL,                      -- the team's name at that time, or the words
    by text NOT NULL,                           -- account name
    sent_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by text,
    declined_at timestamptz,
    declined_by text,
    on_scene_at timestamptz,
    done_at timestamptz
);
CREATE INDEX dispatch_alert ON alerts.dispatch (alert_no);
