-- How many sessions of this database wait for a lock, and what those wait for that work. Asked each second, so it calls the
-- function beneath pg_stat_activity: the view would lock pg_authid and pg_database for reading, and wait for whatever locks
-- those.
WITH sessions AS MATERIALIZED (
    SELECT pid, datid, state, wait_event_type, wait_event FROM pg_catalog.pg_stat_get_activity(NULL)
), here AS MATERIALIZED (
    SELECT pid, state, wait_event_type, wait_event FROM sessions
    WHERE datid = (SELECT datid FROM sessions WHERE pid = pg_catalog.pg_backend_pid())
), waits AS (
    SELECT COALESCE(wait_event_type || '/' || wait_event, '') AS event, pg_catalog.count(*) AS sessions
    FROM here WHERE state = 'active' AND pid <> pg_catalog.pg_backend_pid()
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 16
)
SELECT pg_catalog.count(*) FILTER (WHERE wait_event_type = 'Lock') AS lock_waits,
    (SELECT pg_catalog.string_agg(event || '=' || sessions::text, ' ') FROM waits) AS wait_events
FROM here
/* asked by plimsoll */
