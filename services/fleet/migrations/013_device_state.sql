-- When each device was last heard of. One row a device, which is there from the first message that is stored of it.
--
-- The writer of readings changes it in the transaction that stores them. It refers to no other table and has no index but its
-- key: a reading must not wait for what is said of its device, and a row that is changed this often has to stay on its page
-- (HOT), for which room is left there and none of the columns that change may be in an index.

CREATE TABLE device_state (
    tenant_id            text COLLATE "C" NOT NULL,
    device_id            text COLLATE "C" NOT NULL,
    -- By the server's clock, when a message came; not when it was measured. To a second: see devices::state::store.
    last_seen_at         timestamptz NOT NULL,
    last_telemetry_at    timestamptz,
    last_heartbeat_at    timestamptz,
    -- What the background noted last, some seconds late. What is true now follows from last_seen_at, and is never read here.
    noted_state          text NOT NULL DEFAULT 'ONLINE'
                         CONSTRAINT device_state_noted CHECK (noted_state IN ('ONLINE', 'STALE', 'OFFLINE')),
    -- Since when it is in noted_state.
    last_state_change_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, device_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE device_state ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY device_state_own ON device_state
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
-- The background names its work in app.work, as a tenant's transactions name the tenant, and notes what it sees of all tenants.
CREATE POLICY device_state_noted_by_the_background ON device_state
    USING ((SELECT current_setting('app.work', true)) = 'device state');
GRANT SELECT, INSERT, UPDATE ON device_state TO fleet_app;
