-- How many sessions of this database wait for a lock. Asked each second, so it calls the function beneath
-- pg_stat_activity: the view would lock pg_authid and pg_database for reading, and wait for whatever locks those.
WITH sessions AS MATERIALIZED (
    SELECT pid, datid, wait_event_type FROM pg_catalog.pg_stat_get_activity(NULL)
)
SELECT pg_catalog.count(*) AS lock_waits
FROM sessions
WHERE wait_event_type = 'Lock'
  AND datid = (SELECT datid FROM sessions WHERE pid = pg_catalog.pg_backend_pid())
