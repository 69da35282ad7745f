-- The operators' own way to the rows of all tenants, and the record of who did what.
--
-- Operators act as the role fleet_operator, which no one logs in as: a transaction of an operator's takes it for its own length
-- (SET LOCAL ROLE), and the service's login does not have its rights otherwise (NOINHERIT). So a fault in what tenants ask has no
-- way to other tenants' rows, and neither role is a superuser or passes row-level security by. The role sees the columns named
-- here, none of which is a secret, writes those named here, and all of that only while app.operator names a person.

GRANT SELECT (tenant_id, name, status, metadata, created_at, updated_at, deleted_at) ON tenants TO fleet_operator;
GRANT INSERT (tenant_id, name, provision_key_hash, metadata) ON tenants TO fleet_operator;
GRANT UPDATE (name, status, updated_at, deleted_at) ON tenants TO fleet_operator;
CREATE POLICY tenants_of_operators ON tenants TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');

-- With a tenant come its first site and its first token.
GRANT INSERT (tenant_id, site_id, name) ON sites TO fleet_operator;
CREATE POLICY sites_of_operators ON sites FOR INSERT TO fleet_operator
    WITH CHECK ((SELECT current_setting('app.operator', true)) <> '');
GRANT INSERT (tenant_id, token_hash, label) ON tenant_access_tokens TO fleet_operator;
CREATE POLICY tenant_access_tokens_of_operators ON tenant_access_tokens FOR INSERT TO fleet_operator
    WITH CHECK ((SELECT current_setting('app.operator', true)) <> '');

GRANT SELECT ON subscriptions TO fleet_operator;
GRANT INSERT (tenant_id, subscription_id, subscription_type, parent_id, device_limit, term_end, status, plan_id, description,
              created_by) ON subscriptions TO fleet_operator;
GRANT UPDATE (device_limit, status, grace_end, updated_at) ON subscriptions TO fleet_operator;
CREATE POLICY subscriptions_of_operators ON subscriptions TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');
GRANT INSERT (tenant_id, subscription_id, event_type, actor_type, actor_id, details) ON subscription_event_log TO fleet_operator;
CREATE POLICY subscription_event_log_of_operators ON subscription_event_log FOR INSERT TO fleet_operator
    WITH CHECK ((SELECT current_setting('app.operator', true)) <> '');
ALTER TABLE subscription_event_log DROP CONSTRAINT subscription_event_log_event_type_check;
ALTER TABLE subscription_event_log ADD CONSTRAINT subscription_event_log_event_type_check
    CHECK (event_type IN ('DEVICE_ADDED', 'DEVICE_REMOVED', 'DEVICE_REASSIGNED', 'RENEWED', 'GRACE_STARTED',
                          'STATUS_SUSPENDED', 'STATUS_EXPIRED', 'STATUS_ACTIVE', 'CREATED', 'LIMIT_CHANGED'));

GRANT SELECT (tenant_id, device_id, site_id, subscription_id, status, name, device_type, model, manufacturer, serial,
              decommissioned_at, created_at, updated_at) ON device_registry TO fleet_operator;
CREATE POLICY device_registry_of_operators ON device_registry FOR SELECT TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');
GRANT SELECT ON fleet_alert TO fleet_operator;
CREATE POLICY fleet_alert_of_operators ON fleet_alert FOR SELECT TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');
GRANT SELECT ON quarantine_events, quarantine_counters_minute TO fleet_operator;
CREATE POLICY quarantine_events_of_operators ON quarantine_events FOR SELECT TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');
CREATE POLICY quarantine_counters_minute_of_operators ON quarantine_counters_minute FOR SELECT TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');
-- Of all tenants together, the newest first.
CREATE INDEX quarantine_events_by_id ON quarantine_events (event_id);

-- Who did what. Rows are added and never changed: no role of the service may update or delete one. It refers to no other table,
-- since it outlives what it tells of.
CREATE TABLE audit_log (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whose rows it is about; NULL where it is about those of all tenants.
    tenant_id   text COLLATE "C",
    actor_type  text NOT NULL CHECK (actor_type IN ('operator', 'tenant')),
    actor_id    text COLLATE "C" NOT NULL CHECK (length(actor_id) BETWEEN 1 AND 200),
    action      text COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    object_type text NOT NULL,
    object_id   text COLLATE "C",
    outcome     text NOT NULL CHECK (outcome IN ('DONE', 'REFUSED')),
    -- The code of the refusal.
    reason      text,
    -- The address from which the request came.
    client      text,
    request_id  text,
    details     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, audit_id);
CREATE INDEX audit_log_by_age ON audit_log (at);
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_log_own ON audit_log FOR SELECT
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT ON audit_log TO fleet_app;
CREATE POLICY audit_log_of_operators ON audit_log FOR SELECT TO fleet_operator
    USING ((SELECT current_setting('app.operator', true)) <> '');
-- An operator writes under the own name alone.
CREATE POLICY audit_log_by_operators ON audit_log FOR INSERT TO fleet_operator
    WITH CHECK (actor_type = 'operator' AND actor_id = (SELECT current_setting('app.operator', true)));
GRANT SELECT ON audit_log TO fleet_operator;
GRANT INSERT (tenant_id, actor_type, actor_id, action, object_type, object_id, outcome, reason, client, request_id, details)
    ON audit_log TO fleet_operator;
-- FORCE binds the owner too, as whom the two functions below run.
CREATE POLICY audit_log_of_the_owner ON audit_log TO CURRENT_USER USING (true);

-- Records what people of a tenant write, in the transaction of the write: one row for each row that was written, with its key and
-- nothing of its content. It runs as the owner, since the service's role may add no row here. What the service does by itself
-- names no person and is not recorded; it is told by the tables' own logs. The arguments are the columns of the key.
CREATE FUNCTION record_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := pg_catalog.current_setting('app.actor', true);
BEGIN
    IF actor IS NULL OR actor = '' THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.audit_log (tenant_id, actor_type, actor_id, action, object_type, object_id, outcome, client, request_id)
    SELECT c.r->>'tenant_id', 'tenant', actor, lower(TG_OP), TG_TABLE_NAME,
           (SELECT left(string_agg(c.r->>k.name, '/' ORDER BY k.n), 400)
            FROM unnest(TG_ARGV) WITH ORDINALITY AS k (name, n)),
           'DONE', nullif(pg_catalog.current_setting('app.client', true), ''),
           nullif(pg_catalog.current_setting('app.request_id', true), '')
    FROM (SELECT to_jsonb(t) AS r FROM changed AS t) AS c;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION record_write() FROM PUBLIC;

-- From now on, what people write to this table is recorded, by the columns of its key. For the files that come.
CREATE FUNCTION record_writes_of(of_table text, VARIADIC key text[]) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    columns text := (SELECT string_agg(quote_literal(name), ', ' ORDER BY n)
                     FROM unnest(key) WITH ORDINALITY AS k (name, n));
BEGIN
    EXECUTE format('CREATE TRIGGER audit_insert AFTER INSERT ON public.%I REFERENCING NEW TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION public.record_write(%s)', of_table, columns);
    EXECUTE format('CREATE TRIGGER audit_update AFTER UPDATE ON public.%I REFERENCING NEW TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION public.record_write(%s)', of_table, columns);
    EXECUTE format('CREATE TRIGGER audit_delete AFTER DELETE ON public.%I REFERENCING OLD TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION public.record_write(%s)', of_table, columns);
END
$$;
REVOKE ALL ON FUNCTION record_writes_of(text, text[]) FROM PUBLIC;

SELECT record_writes_of('sites', 'site_id');
SELECT record_writes_of('tenant_access_tokens', 'label');
SELECT record_writes_of('subscriptions', 'subscription_id');
SELECT record_writes_of('device_registry', 'device_id');
SELECT record_writes_of('device_tags', 'device_id', 'tag');
SELECT record_writes_of('device_api_tokens', 'device_id', 'token_id');
SELECT record_writes_of('oncall_schedules', 'schedule_id');
SELECT record_writes_of('oncall_layers', 'schedule_id', 'layer_order');
SELECT record_writes_of('oncall_overrides', 'schedule_id', 'override_id');
SELECT record_writes_of('escalation_policies', 'policy_id');
SELECT record_writes_of('escalation_levels', 'policy_id', 'level_number');
SELECT record_writes_of('fleet_alert', 'id');
SELECT record_writes_of('integrations', 'integration_id');
SELECT record_writes_of('integration_routes', 'route_id');
SELECT record_writes_of('alert_rules', 'rule_id') WHERE to_regclass('public.alert_rules') IS NOT NULL;

-- What is ninety days old goes, so many rows at a time. The service's role deletes nothing itself, so that what it could choose to
-- delete is nothing younger.
CREATE FUNCTION forget_old_audit(most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    WITH old AS (SELECT audit_id FROM public.audit_log WHERE at < now() - interval '90 days' ORDER BY at LIMIT most),
         gone AS (DELETE FROM public.audit_log a USING old WHERE a.audit_id = old.audit_id RETURNING 1)
    SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION forget_old_audit(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_old_audit(integer) TO fleet_app;
