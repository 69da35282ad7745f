-- What was not taken, and how much of it: the messages themselves (bounded, see ingest::quarantine), and counts by the
-- minute and the reason, which cost one row however many messages there were.

CREATE TABLE quarantine_events (
    tenant_id        text COLLATE "C" NOT NULL REFERENCES tenants,
    event_id         bigint GENERATED ALWAYS AS IDENTITY,
    ingested_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it was measured, where that could be read.
    event_ts         timestamptz,
    device_id        text COLLATE "C" NOT NULL CHECK (length(device_id) <= 128),
    site_id          text COLLATE "C",
    msg_type         text NOT NULL,
    reason           text NOT NULL CHECK (reason ~ '^[A-Z][A-Z0-9_]{1,63}$'),
    -- As it came, as far as it is text; a message has up to 8192 bytes.
    payload          text NOT NULL CHECK (length(payload) <= 16384),
    envelope_version text NOT NULL DEFAULT '1',
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX quarantine_events_by_time ON quarantine_events (tenant_id, ingested_at);
ALTER TABLE quarantine_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY quarantine_events_own ON quarantine_events
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, DELETE ON quarantine_events TO fleet_app;

CREATE TABLE quarantine_counters_minute (
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants,
    bucket_minute timestamptz NOT NULL,
    reason        text NOT NULL CHECK (reason ~ '^[A-Z][A-Z0-9_]{1,63}$'),
    cnt           bigint NOT NULL CHECK (cnt > 0),
    PRIMARY KEY (tenant_id, bucket_minute, reason)
);
ALTER TABLE quarantine_counters_minute ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY quarantine_counters_minute_own ON quarantine_counters_minute
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON quarantine_counters_minute TO fleet_app;
