-- The bounds of a day are written as texts that mean one instant in every session.
--
-- Before, they were written as the session writes times: in its zone and in its style, with the zone's abbreviation where
-- the style has one. Read back, `IST` is another zone than the one that was meant, and the day is another.
-- A year, a month and a day in this order, with +00 behind the time, are read alike under every DateStyle and TimeZone.
--
-- A table that has the name of a day and is no partition is told, since readings of that day have no place then.
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
