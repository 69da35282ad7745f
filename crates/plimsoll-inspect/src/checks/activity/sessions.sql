-- The sessions of clients that run a statement or have a transaction open, those whose transaction began first at the head. The
-- view pg_stat_activity would wait for whatever locks pg_authid, so this calls the function beneath it. What reports its progress
-- is maintenance, which takes long by its nature. A
-- transaction that has failed shows no start.
SELECT a.pid AS session_pid,
       pg_catalog.pg_get_userbyid(a.usesysid) AS user_name,
       d.datname AS database,
       a.application_name,
       CASE WHEN a.client_port = -1 THEN 'local' ELSE pg_catalog.host(a.client_addr) END AS client,
       a.state,
       a.wait_event_type = 'Lock' AS waits_for_lock,
       a.backend_start,
       a.query_start,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start) AS query_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change) AS state_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start) AS transaction_seconds,
       p.what AS maintenance
FROM pg_catalog.pg_stat_get_activity(NULL) AS a
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = a.datid
LEFT JOIN LATERAL (
    SELECT 'VACUUM' AS what FROM pg_catalog.pg_stat_get_progress_info('VACUUM') AS i (pid) WHERE i.pid = a.pid
    UNION ALL
    SELECT 'ANALYZE' FROM pg_catalog.pg_stat_get_progress_info('ANALYZE') AS i (pid) WHERE i.pid = a.pid
    UNION ALL
    SELECT 'CREATE INDEX' FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') AS i (pid) WHERE i.pid = a.pid
    UNION ALL
    SELECT 'CLUSTER' FROM pg_catalog.pg_stat_get_progress_info('CLUSTER') AS i (pid) WHERE i.pid = a.pid
    UNION ALL
    SELECT 'COPY' FROM pg_catalog.pg_stat_get_progress_info('COPY') AS i (pid) WHERE i.pid = a.pid
    LIMIT 1
) AS p ON true
WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
  AND (a.state = 'active' OR a.xact_start IS NOT NULL OR a.state = 'idle in transaction (aborted)')
ORDER BY a.xact_start, a.query_start
LIMIT 500
