-- What keeps the tables small and the planner well informed, done at night by whichever instance comes first.

-- When each piece of work was done last.
CREATE TABLE maintenance_log (
    work    text PRIMARY KEY CHECK (work IN ('telemetry partitions', 'statistics', 'site overview')),
    done_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON maintenance_log TO fleet_app;

-- Drops the oldest partition whose readings nobody may send any more, and says which day that was; none where there is none.
-- A reading is taken up to 30 days after it was measured, and one more day covers those that are being written. The service's
-- role owns no table, so this runs as the owner; that is why it takes no argument. It waits for a second and no longer, since
-- all readings wait behind it.
CREATE FUNCTION drop_past_telemetry_partition() RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '1s' AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    name  text;
    day   date;
BEGIN
    SELECT past.relname, past.of_day INTO name, day
    FROM (SELECT child.relname, to_date(right(child.relname, 8), 'YYYYMMDD') AS of_day
          FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
          WHERE inhparent = 'public.telemetry'::regclass AND child.relname ~ '^telemetry_[0-9]{8}$') AS past
    WHERE past.of_day < today - 31
    ORDER BY past.of_day LIMIT 1;
    IF name IS NOT NULL THEN
        EXECUTE format('ALTER TABLE public.telemetry DETACH PARTITION public.%I', name);
        EXECUTE format('DROP TABLE public.%I', name);
    END IF;
    RETURN day;
END
$$;
REVOKE ALL ON FUNCTION drop_past_telemetry_partition() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_past_telemetry_partition() TO fleet_app;

-- Tables whose rows change all day are vacuumed after some hundred changes and not after a fifth of the table, and keep room in
-- each page, so that a change of no indexed column makes no new entry in any index.
ALTER TABLE subscriptions SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
ALTER TABLE device_registry SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
                                 autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE fleet_alert SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
ALTER TABLE quarantine_counters_minute SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER TABLE quarantine_events SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE stored_results SET (autovacuum_vacuum_scale_factor = 0.05);

-- A day of readings only grows: it is vacuumed as it grows, so that the freezing of old rows is not left for one long night, and
-- analyzed before the planner's picture of it is an hour old.
CREATE OR REPLACE FUNCTION public.ensure_telemetry_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    name      text := 'telemetry_' || to_char(day, 'YYYYMMDD');
    today     date := (now() AT TIME ZONE 'UTC')::date;
    day_begin text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
    day_end   text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
    present   oid  := to_regclass('public.' || name);
BEGIN
    IF present IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM pg_inherits
                       WHERE inhrelid = present AND inhparent = 'public.telemetry'::regclass) THEN
            RAISE EXCEPTION 'table public.% is no partition of public.telemetry, and so % has no place', name, day
                USING ERRCODE = '55000', HINT = 'rename that table, or attach it';
        END IF;
        RETURN false;
    END IF;
    IF day NOT BETWEEN today - 40 AND today + 10 THEN
        RAISE EXCEPTION 'no partition is made for %: it is too far from today', day USING ERRCODE = '22008';
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.telemetry
                        INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)
                    WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 100000,
                          autovacuum_analyze_scale_factor = 0.05)', name);
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT of_its_day CHECK (time >= %L AND time < %L)',
                   name, day_begin, day_end);
    EXECUTE format('ALTER TABLE public.telemetry ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   name, day_begin, day_end);
    EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT of_its_day', name);
    RETURN true;
END
$$;

-- Renews the planner's statistics of those tables of which a twentieth has changed since the last time, and says which. Autovacuum
-- does so by itself within minutes, but never for a partitioned table as a whole, and a list that is asked for right after an
-- import should not be planned for an empty table.
CREATE FUNCTION renew_statistics() RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '1s' AS $$
DECLARE
    name  text;
    names text[] := '{}';
BEGIN
    FOR name IN
        SELECT relname FROM pg_stat_all_tables
        WHERE schemaname = 'public'
          AND relname IN ('device_registry', 'device_tags', 'subscriptions', 'fleet_alert', 'quarantine_events')
          AND n_mod_since_analyze > 100 + 0.05 * n_live_tup
        ORDER BY relname
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) public.%I', name);
        names := names || name;
    END LOOP;
    RETURN names;
END
$$;
REVOKE ALL ON FUNCTION renew_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION renew_statistics() TO fleet_app;

CREATE FUNCTION renew_telemetry_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '1s' AS $$
BEGIN
    ANALYZE (SKIP_LOCKED) public.telemetry;
END
$$;
REVOKE ALL ON FUNCTION renew_telemetry_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION renew_telemetry_statistics() TO fleet_app;

-- Each site with its devices, its open alerts and its readings of yesterday: four tables, one of which has millions of rows a day.
-- It is asked for with every look at the sites and changes once a day, so it is worked out once a night.
--
-- A materialized view has no row-level security. The service's role reads it through the view below, and not itself. While it is
-- refreshed its owner, who is bound by FORCE as all are, sees all tenants' rows, and at no other time.
CREATE POLICY sites_in_overview ON sites FOR SELECT TO CURRENT_USER
    USING ((SELECT current_setting('app.work', true)) = 'site overview');
CREATE POLICY device_registry_in_overview ON device_registry FOR SELECT TO CURRENT_USER
    USING ((SELECT current_setting('app.work', true)) = 'site overview');
CREATE POLICY telemetry_in_overview ON telemetry FOR SELECT TO CURRENT_USER
    USING ((SELECT current_setting('app.work', true)) = 'site overview');

CREATE MATERIALIZED VIEW site_overview AS
SELECT site.tenant_id, site.site_id,
       coalesce(devices.total, 0)  AS devices,
       coalesce(devices.active, 0) AS active_devices,
       coalesce(alerts.open, 0)    AS open_alerts,
       coalesce(readings.total, 0) AS readings_yesterday,
       now()                       AS as_of
FROM public.sites AS site
LEFT JOIN (SELECT tenant_id, site_id, count(*) AS total, count(*) FILTER (WHERE status = 'ACTIVE') AS active
           FROM public.device_registry WHERE status <> 'DELETED' GROUP BY 1, 2) AS devices USING (tenant_id, site_id)
LEFT JOIN (SELECT tenant_id, site_id, count(*) AS open
           FROM public.fleet_alert WHERE status IN ('OPEN', 'ACKNOWLEDGED') GROUP BY 1, 2) AS alerts USING (tenant_id, site_id)
LEFT JOIN (SELECT tenant_id, site_id, count(*) AS total
           FROM public.telemetry
           WHERE time >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 day'
             AND time < date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
           GROUP BY 1, 2) AS readings USING (tenant_id, site_id);
-- What a refresh without blocking needs, and what a tenant's look reads.
CREATE UNIQUE INDEX site_overview_one ON site_overview (tenant_id, site_id);
REVOKE ALL ON site_overview FROM PUBLIC;

CREATE VIEW own_site_overview WITH (security_barrier) AS
SELECT * FROM public.site_overview WHERE tenant_id = (SELECT current_setting('app.tenant_id', true));
GRANT SELECT ON own_site_overview TO fleet_app;

CREATE FUNCTION refresh_site_overview() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM set_config('app.work', 'site overview', true);
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.site_overview;
    PERFORM set_config('app.work', '', true);
END
$$;
REVOKE ALL ON FUNCTION refresh_site_overview() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refresh_site_overview() TO fleet_app;
