-- What the hub does about an alert: its class and response, the chain frozen when it was raised,
-- and until when what somebody said or did about it stands.
-- All with a default, so that the release before goes on writing alerts.

ALTER TABLE alerts.alert
    ADD COLUMN alert_class text NOT NULL DEFAULT 'clinical' CHECK (alert_class IN (
        'telecare', 'safety', 'clinical', 'activity', 'environment', 'equipment', 'referral',
        'carer', 'hub')),
    ADD COLUMN response text NOT NULL DEFAULT '',   -- id of the response policy
    ADD COLUMN chain jsonb NOT NULL DEFAULT '{}',   -- the policy's steps as they were when raised
    ADD COLUMN acknowledged_until timestamptz,      -- it is open again then unless somebody goes on
    ADD COLUMN snoozed_until timestamptz,
    ADD COLUMN offered_to text,                     -- account that a handover waits for
    ADD COLUMN offered_until timestamptz,
    ADD COLUMN stale boolean NOT NULL DEFAULT false, -- a step came too late to page; it goes on top
    ADD COLUMN outcome jsonb NOT NULL DEFAULT '{}'; -- what was said on closing, beside disposition

-- Alerts from before get the class that their rule has now; the others are clinical.
UPDATE alerts.alert SET alert_class = CASE
    WHEN rule_id LIKE 'equipment.%' THEN 'equipment'
    WHEN rule_id LIKE 'hub.%' THEN 'hub'
    WHEN rule_id LIKE 'inactivity.%' THEN 'activity'
    WHEN rule_id IN ('smoke', 'carbon_monoxide', 'flood') THEN 'safety'
    WHEN rule_id IN ('fall', 'sos', 'unreadable_alarm') THEN 'telecare'
    WHEN rule_id LIKE 'environment.%' THEN 'environment'
    WHEN source = 'person' THEN 'referral'
    ELSE alert_class END;
