-- Alerts of a fleet, what is to be told of them, the integrations to which it is told, and the routes there.

CREATE TABLE fleet_alert (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id            text COLLATE "C" NOT NULL REFERENCES tenants,
    site_id              text COLLATE "C",
    device_id            text COLLATE "C",
    alert_type           text NOT NULL
                         CONSTRAINT fleet_alert_type
                         CHECK (alert_type IN ('NO_HEARTBEAT', 'THRESHOLD', 'ANOMALY', 'NO_TELEMETRY', 'SYSTEM_HEALTH')),
    -- What it is about: two with the same are one.
    fingerprint          text NOT NULL CHECK (length(fingerprint) BETWEEN 1 AND 400),
    status               text NOT NULL DEFAULT 'OPEN'
                         CONSTRAINT fleet_alert_status CHECK (status IN ('OPEN', 'ACKNOWLEDGED', 'CLOSED')),
    -- 1 info, 2 low, 3 medium, 4 high, 5 critical: the greater one is the worse one.
    severity             integer NOT NULL DEFAULT 3 CHECK (severity BETWEEN 1 AND 5),
    summary              text NOT NULL,
    details              jsonb NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL DEFAULT now(),
    closed_at            timestamptz,
    silenced_until       timestamptz,
    acknowledged_by      text,
    acknowledged_at      timestamptz,
    -- The level that was told last; 0 before the first.
    escalation_level     integer NOT NULL DEFAULT 0 CHECK (escalation_level BETWEEN 0 AND 5),
    -- The policy that it follows. One that was deleted has no levels, so nothing more is told.
    escalation_policy_id bigint,
    escalated_at         timestamptz,
    next_escalation_at   timestamptz,
    trigger_count        bigint NOT NULL DEFAULT 1,
    last_triggered_at    timestamptz NOT NULL DEFAULT now(),
    -- What refers to an alert names its tenant too.
    UNIQUE (tenant_id, id)
);
-- One cause has one alert until it is closed.
CREATE UNIQUE INDEX fleet_alert_one_open ON fleet_alert (tenant_id, fingerprint)
    WHERE status IN ('OPEN', 'ACKNOWLEDGED');
CREATE INDEX fleet_alert_by_status ON fleet_alert (tenant_id, status, id);
CREATE INDEX fleet_alert_due ON fleet_alert (next_escalation_at)
    WHERE status = 'OPEN' AND next_escalation_at IS NOT NULL;
ALTER TABLE fleet_alert ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY fleet_alert_own ON fleet_alert
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
-- FORCE binds the owner too; it reads all of them for tenants_to_escalate, which tells no more than names.
CREATE POLICY fleet_alert_of_the_owner ON fleet_alert FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE ON fleet_alert TO fleet_app;

-- What an escalation has decided to tell, written with the step itself and sent afterwards.
CREATE TABLE escalation_outbox (
    outbox_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id          text COLLATE "C" NOT NULL REFERENCES tenants,
    alert_id           bigint NOT NULL,
    policy_id          bigint NOT NULL,
    level_number       integer NOT NULL,
    notify_email       text,
    notify_webhook     text,
    oncall_schedule_id bigint,
    -- Who was on call at that moment.
    responder          text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    sent_at            timestamptz,
    FOREIGN KEY (tenant_id, alert_id) REFERENCES fleet_alert (tenant_id, id),
    -- A step is told once.
    UNIQUE (tenant_id, alert_id, level_number)
);
CREATE INDEX escalation_outbox_to_send ON escalation_outbox (outbox_id) WHERE sent_at IS NULL;
ALTER TABLE escalation_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY escalation_outbox_own ON escalation_outbox
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE ON escalation_outbox TO fleet_app;

-- The tenants that have an alert whose next step is due, those that wait longest first. The service's role sees a tenant's
-- rows only when it names the tenant, and who has work is what it cannot know before; so this runs as the owner, and tells
-- names and nothing else.
CREATE FUNCTION tenants_to_escalate(most integer) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT tenant_id FROM public.fleet_alert
    WHERE status = 'OPEN' AND next_escalation_at <= now() AND (silenced_until IS NULL OR silenced_until <= now())
    GROUP BY tenant_id ORDER BY min(next_escalation_at), tenant_id LIMIT most
$$;
REVOKE ALL ON FUNCTION tenants_to_escalate(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_to_escalate(integer) TO fleet_app;

CREATE TABLE integrations (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants,
    integration_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    type           text NOT NULL CONSTRAINT integrations_type CHECK (type IN ('webhook', 'snmp', 'email', 'mqtt')),
    enabled        boolean NOT NULL DEFAULT true,
    config         jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, integration_id)
);
ALTER TABLE integrations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY integrations_own ON integrations
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON integrations TO fleet_app;

-- As fleets had it before: a route had a least severity instead of a list of them. The next file adds the list.
CREATE TABLE integration_routes (
    tenant_id       text COLLATE "C" NOT NULL,
    route_id        uuid NOT NULL DEFAULT gen_random_uuid(),
    integration_id  uuid NOT NULL,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    enabled         boolean NOT NULL DEFAULT true,
    min_severity    integer,
    alert_types     text[] NOT NULL DEFAULT '{}',
    site_ids        text[] NOT NULL DEFAULT '{}',
    device_prefixes text[] NOT NULL DEFAULT '{}',
    deliver_on      text[] NOT NULL DEFAULT '{OPEN}',
    priority        integer NOT NULL DEFAULT 100,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, route_id),
    CONSTRAINT integration_routes_integration
        FOREIGN KEY (tenant_id, integration_id) REFERENCES integrations ON DELETE CASCADE
);
CREATE INDEX integration_routes_by_integration ON integration_routes (tenant_id, integration_id);
ALTER TABLE integration_routes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY integration_routes_own ON integration_routes
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON integration_routes TO fleet_app;
