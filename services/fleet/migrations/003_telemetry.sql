-- Readings, one partition for each day (UTC), so that old days go by dropping a table.
--
-- The primary key is what makes a device free to send again: the same reading (tenant, device, time, seq) is stored
-- once, whoever brings it and however often.

CREATE TABLE telemetry (
    tenant_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    time      timestamptz NOT NULL,
    -- The device's own count; negative where the service had to invent one.
    seq       bigint NOT NULL,
    site_id   text COLLATE "C" NOT NULL,
    msg_type  text NOT NULL,
    metrics   jsonb NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, device_id, time, seq)
) PARTITION BY RANGE (time);
ALTER TABLE telemetry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY telemetry_own ON telemetry
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT ON telemetry TO fleet_app;

-- Makes the partition of a day if it is not there, and says whether it did. The service's role owns no table, so this
-- runs as the owner; that is why it takes a date and nothing else, and only one near today. The caller holds an
-- advisory lock, so that two do not make the same one. Names carry their schema and the search path is empty, so that
-- nobody can put a table of their own in the way.
--
-- A new table is filled in and then attached: ATTACH lets reading and writing of the other days go on meanwhile, while
-- CREATE .. PARTITION OF would stop all of it.
CREATE FUNCTION ensure_telemetry_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    name      text := 'telemetry_' || to_char(day, 'YYYYMMDD');
    today     date := (now() AT TIME ZONE 'UTC')::date;
    day_begin timestamptz := day::timestamp AT TIME ZONE 'UTC';
    day_end   timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF day NOT BETWEEN today - 40 AND today + 10 THEN
        RAISE EXCEPTION 'no partition is made for %: it is too far from today', day USING ERRCODE = '22008';
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.telemetry
                        INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT of_its_day CHECK (time >= %L AND time < %L)',
                   name, day_begin, day_end);
    EXECUTE format('ALTER TABLE public.telemetry ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   name, day_begin, day_end);
    EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT of_its_day', name);
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION ensure_telemetry_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_telemetry_partition(date) TO fleet_app;
