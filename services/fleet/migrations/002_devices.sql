-- Subscriptions, the devices that count against them, and what happened to the count.
--
-- Whoever changes both locks the subscription first and the device second.

CREATE TABLE subscriptions (
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants,
    subscription_id     text COLLATE "C" NOT NULL CHECK (subscription_id ~ '^SUB-[0-9]{8}-[0-9]{5}$'),
    subscription_type   text NOT NULL CHECK (subscription_type IN ('MAIN', 'ADDON', 'TRIAL', 'TEMPORARY')),
    parent_id           text COLLATE "C",
    device_limit        integer NOT NULL CHECK (device_limit >= 0),
    active_device_count integer NOT NULL DEFAULT 0 CHECK (active_device_count >= 0),
    term_start          timestamptz NOT NULL DEFAULT now(),
    term_end            timestamptz NOT NULL,
    status              text NOT NULL DEFAULT 'ACTIVE'
                        CONSTRAINT subscriptions_status
                        CHECK (status IN ('TRIAL', 'ACTIVE', 'GRACE', 'SUSPENDED', 'EXPIRED')),
    grace_end           timestamptz,
    plan_id             text,
    description         text,
    created_by          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES subscriptions (tenant_id, subscription_id),
    CHECK (CASE subscription_type WHEN 'ADDON' THEN parent_id IS NOT NULL
                                  WHEN 'MAIN' THEN parent_id IS NULL ELSE true END),
    CHECK (term_start < term_end)
);
ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY subscriptions_own ON subscriptions
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE ON subscriptions TO fleet_app;

CREATE TABLE device_registry (
    tenant_id            text COLLATE "C" NOT NULL REFERENCES tenants,
    device_id            text COLLATE "C" NOT NULL CHECK (device_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
    site_id              text COLLATE "C" NOT NULL,
    subscription_id      text COLLATE "C",
    -- The same list as DeviceStatus::ALL in the code; a test compares the two.
    status               text NOT NULL DEFAULT 'PENDING'
                         CONSTRAINT device_registry_status
                         CHECK (status IN ('PENDING', 'ACTIVE', 'INACTIVE', 'SUSPENDED', 'REVOKED', 'DELETED')),
    -- SHA-256, in hex, of the token that this device shows.
    provision_token_hash text CHECK (provision_token_hash ~ '^[0-9a-f]{64}$'),
    sensor_limit         integer NOT NULL DEFAULT 20 CHECK (sensor_limit >= 0),
    metadata             jsonb NOT NULL DEFAULT '{}',
    decommissioned_at    timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, device_id),
    FOREIGN KEY (tenant_id, site_id) REFERENCES sites,
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions
);
CREATE INDEX device_registry_by_subscription ON device_registry (tenant_id, subscription_id);
ALTER TABLE device_registry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY device_registry_own ON device_registry
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE ON device_registry TO fleet_app;

CREATE TABLE subscription_event_log (
    event_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants,
    subscription_id text COLLATE "C" NOT NULL,
    event_type      text NOT NULL CHECK (event_type IN ('DEVICE_ADDED', 'DEVICE_REMOVED', 'DEVICE_REASSIGNED',
                                                        'RENEWED', 'GRACE_STARTED', 'STATUS_SUSPENDED')),
    event_timestamp timestamptz NOT NULL DEFAULT now(),
    device_id       text COLLATE "C",
    actor_type      text NOT NULL,
    actor_id        text,
    details         jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions
);
CREATE INDEX subscription_event_log_by_subscription
    ON subscription_event_log (tenant_id, subscription_id, event_timestamp);
ALTER TABLE subscription_event_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY subscription_event_log_own ON subscription_event_log
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT ON subscription_event_log TO fleet_app;
