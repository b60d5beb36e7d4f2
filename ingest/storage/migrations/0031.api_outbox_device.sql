-- A device's commands, newest first: for its page and the person's timeline.

CREATE INDEX outbox_device ON ingest.outbox (site, device, no) WHERE tail = 'cmd';
