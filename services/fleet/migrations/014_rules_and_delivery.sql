-- What is sent of alerts and what became of it, and the rules that open alerts by themselves.

-- The key with which a receiver checks that a message is this service's. It is written and never shown.
ALTER TABLE integrations ADD COLUMN secret text CHECK (length(secret) BETWEEN 16 AND 256);

-- One message to one place. It is written in the transaction that makes it true, and sent after that: a message that is
-- here was not lost with a process, and one whose cause was rolled back is not here.
CREATE TABLE delivery_jobs (
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants,
    job_id          bigint GENERATED ALWAYS AS IDENTITY,
    -- The same for each try, so that a receiver can tell a repetition.
    idempotency_key uuid NOT NULL DEFAULT gen_random_uuid(),
    alert_id        bigint NOT NULL,
    event           text NOT NULL
                    CONSTRAINT delivery_jobs_event
                    CHECK (event IN ('OPEN', 'ACKNOWLEDGED', 'CLOSED', 'ESCALATED')),
    -- By a route, or by a step of an escalation. What they name may be gone by now; the message tells what it was.
    route_id        uuid,
    integration_id  uuid,
    outbox_id       bigint,
    channel         text NOT NULL CONSTRAINT delivery_jobs_channel CHECK (channel IN ('webhook', 'email')),
    -- Where to, for a step; a route's message goes where its integration says when it is sent.
    target          text,
    priority        integer NOT NULL DEFAULT 100,
    payload         jsonb NOT NULL,
    status          text NOT NULL DEFAULT 'PENDING'
                    CONSTRAINT delivery_jobs_status CHECK (status IN ('PENDING', 'SENT', 'DEAD')),
    attempts        integer NOT NULL DEFAULT 0,
    -- When it is tried next. While it is being tried, this is the end of the lease: then it is anyone's again.
    next_run_at     timestamptz NOT NULL DEFAULT now(),
    claim           uuid,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    PRIMARY KEY (tenant_id, job_id),
    FOREIGN KEY (tenant_id, alert_id) REFERENCES fleet_alert (tenant_id, id),
    CHECK ((route_id IS NULL) <> (outbox_id IS NULL)),
    -- Each is told once, whatever writes it and however often.
    UNIQUE (tenant_id, alert_id, route_id, event),
    UNIQUE (tenant_id, outbox_id, channel, target)
);
CREATE INDEX delivery_jobs_due ON delivery_jobs (tenant_id, next_run_at) WHERE status = 'PENDING';
CREATE INDEX delivery_jobs_finished ON delivery_jobs (tenant_id, finished_at) WHERE finished_at IS NOT NULL;
ALTER TABLE delivery_jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY delivery_jobs_own ON delivery_jobs
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
CREATE POLICY delivery_jobs_of_the_owner ON delivery_jobs FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_jobs TO fleet_app;

-- The log of the tries. A try is here before it is made; one without an end was cut off, and may have arrived.
CREATE TABLE delivery_attempts (
    tenant_id   text COLLATE "C" NOT NULL,
    job_id      bigint NOT NULL,
    attempt     integer NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    outcome     text CONSTRAINT delivery_attempts_outcome CHECK (outcome IN ('SENT', 'RETRY', 'DEAD')),
    status_code integer,
    error       text,
    PRIMARY KEY (tenant_id, job_id, attempt),
    FOREIGN KEY (tenant_id, job_id) REFERENCES delivery_jobs ON DELETE CASCADE
);
ALTER TABLE delivery_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY delivery_attempts_own ON delivery_attempts
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_attempts TO fleet_app;

-- The tenants that have a message to send, those that wait longest first: names and nothing else, as in
-- tenants_to_escalate.
CREATE FUNCTION tenants_with_deliveries(most integer) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT tenant_id FROM public.delivery_jobs
    WHERE status = 'PENDING' AND next_run_at <= now()
    GROUP BY tenant_id ORDER BY min(next_run_at), tenant_id LIMIT most
$$;
REVOKE ALL ON FUNCTION tenants_with_deliveries(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_with_deliveries(integer) TO fleet_app;

-- When to open an alert.
CREATE TABLE alert_rules (
    tenant_id            text COLLATE "C" NOT NULL REFERENCES tenants,
    rule_id              bigint GENERATED ALWAYS AS IDENTITY,
    name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind                 text NOT NULL CONSTRAINT alert_rules_kind CHECK (kind IN ('THRESHOLD', 'NO_HEARTBEAT')),
    metric_name          text CHECK (length(metric_name) BETWEEN 1 AND 128),
    operator             text CONSTRAINT alert_rules_operator CHECK (operator IN ('GT', 'GTE', 'LT', 'LTE')),
    -- A decimal number, digit for digit.
    threshold            numeric,
    -- How long it has to be so; for NO_HEARTBEAT, how long a device may be silent.
    duration_seconds     integer NOT NULL DEFAULT 0 CHECK (duration_seconds BETWEEN 0 AND 2592000),
    severity             integer NOT NULL DEFAULT 3 CHECK (severity BETWEEN 1 AND 5),
    -- Of which sites; an empty list is all of them.
    site_ids             text[] NOT NULL DEFAULT '{}',
    enabled              boolean NOT NULL DEFAULT true,
    escalation_policy_id bigint,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, rule_id),
    CONSTRAINT alert_rules_policy FOREIGN KEY (tenant_id, escalation_policy_id) REFERENCES escalation_policies
        ON DELETE SET NULL (escalation_policy_id),
    CONSTRAINT alert_rules_whole CHECK (CASE kind
        WHEN 'THRESHOLD' THEN metric_name IS NOT NULL AND operator IS NOT NULL AND threshold IS NOT NULL
        ELSE metric_name IS NULL AND operator IS NULL AND threshold IS NULL AND duration_seconds > 0 END)
);
ALTER TABLE alert_rules ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY alert_rules_own ON alert_rules
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
CREATE POLICY alert_rules_of_the_owner ON alert_rules FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_rules TO fleet_app;

-- Which rule has opened an alert, so that it can close it.
ALTER TABLE fleet_alert ADD COLUMN rule_id bigint;
CREATE INDEX fleet_alert_of_rule ON fleet_alert (tenant_id, rule_id, device_id, created_at) WHERE rule_id IS NOT NULL;

-- What a rule has seen of a device: the time of the newest reading it has looked at, and since when it has been beyond.
CREATE TABLE alert_rule_state (
    tenant_id    text COLLATE "C" NOT NULL,
    rule_id      bigint NOT NULL,
    device_id    text COLLATE "C" NOT NULL,
    newest       timestamptz NOT NULL,
    beyond_since timestamptz,
    PRIMARY KEY (tenant_id, rule_id, device_id),
    FOREIGN KEY (tenant_id, rule_id) REFERENCES alert_rules ON DELETE CASCADE
);
ALTER TABLE alert_rule_state ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY alert_rule_state_own ON alert_rule_state
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_rule_state TO fleet_app;

-- Readings that rules have still to look at: a row for each batch, written by the statement that stores its readings and
-- deleted by the transaction that has looked at them. No crash comes between, and readings need no further index.
CREATE TABLE alert_rule_work (
    tenant_id text COLLATE "C" NOT NULL,
    work_id   bigint GENERATED ALWAYS AS IDENTITY,
    devices   text[] NOT NULL,
    times     timestamptz[] NOT NULL,
    seqs      bigint[] NOT NULL,
    PRIMARY KEY (tenant_id, work_id)
);
ALTER TABLE alert_rule_work ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY alert_rule_work_own ON alert_rule_work
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
CREATE POLICY alert_rule_work_of_the_owner ON alert_rule_work FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON alert_rule_work TO fleet_app;

-- Names and nothing else: who has readings to look at, and who has rules about silence.
CREATE FUNCTION tenants_with_rule_work(most integer) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT tenant_id FROM public.alert_rule_work GROUP BY tenant_id ORDER BY min(work_id), tenant_id LIMIT most
$$;
REVOKE ALL ON FUNCTION tenants_with_rule_work(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_with_rule_work(integer) TO fleet_app;

CREATE FUNCTION tenants_with_silence_rules(after text, most integer) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT DISTINCT tenant_id FROM public.alert_rules
    WHERE kind = 'NO_HEARTBEAT' AND enabled AND tenant_id > after COLLATE "C" ORDER BY tenant_id LIMIT most
$$;
REVOKE ALL ON FUNCTION tenants_with_silence_rules(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_with_silence_rules(text, integer) TO fleet_app;

-- When a device was last heard of, by the clock of the server: none if it never was.
CREATE FUNCTION public.device_last_heard(tenant text, device text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT last_seen_at FROM public.device_state WHERE tenant_id = tenant AND device_id = device
$$;
