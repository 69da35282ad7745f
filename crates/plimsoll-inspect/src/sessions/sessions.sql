-- The sessions of clients on this server: what each does, for how long, and what would be lost with it. pg_blocking_pids locks the
-- lock table for a moment, so it is called for sessions that wait for a lock, and for at most 64 of them.
WITH activity AS MATERIALIZED (
    SELECT * FROM pg_catalog.pg_stat_get_activity(NULL)
), waiting AS (
    SELECT pid FROM activity WHERE wait_event_type = 'Lock' ORDER BY query_start LIMIT 64
), edges AS MATERIALIZED (
    SELECT w.pid, b.blocker
    FROM waiting AS w
    CROSS JOIN LATERAL pg_catalog.unnest((pg_catalog.pg_blocking_pids(w.pid))[1:64]) AS b (blocker)
), held AS MATERIALIZED (
    SELECT l.pid, pg_catalog.count(DISTINCT l.relation) AS relations,
           pg_catalog.string_agg(DISTINCT l.relation::pg_catalog.regclass::text, ', ') FILTER (
               WHERE l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                                'ExclusiveLock', 'AccessExclusiveLock')
                 AND l.relation >= 16384
                 AND l.database = (SELECT datid FROM activity WHERE pid = pg_catalog.pg_backend_pid())
           ) AS written
    FROM pg_catalog.pg_locks AS l
    WHERE l.granted AND l.locktype = 'relation'
    GROUP BY l.pid
)
SELECT a.pid, a.backend_start AT TIME ZONE 'UTC' AS backend_start, a.query_start AT TIME ZONE 'UTC' AS query_start,
       a.datid = (SELECT datid FROM activity WHERE pid = pg_catalog.pg_backend_pid()) AS is_here,
       (SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.oid = a.datid) AS database,
       pg_catalog.pg_get_userbyid(a.usesysid) AS user_name,
       a.application_name,
       CASE WHEN a.client_port = -1 THEN 'local' ELSE pg_catalog.host(a.client_addr) END AS client,
       a.backend_type, a.state, a.wait_event_type, a.wait_event,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change) AS state_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start) AS transaction_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start) AS statement_seconds,
       a.backend_xid IS NOT NULL AS has_written,
       COALESCE(h.relations, 0) AS relations, pg_catalog.left(h.written, 300) AS written,
       pg_catalog.left(a.query, 2000) AS query,
       (SELECT pg_catalog.string_agg(e.blocker::text, ' ') FROM edges AS e WHERE e.pid = a.pid) AS blockers,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM activity AS a
LEFT JOIN held AS h ON h.pid = a.pid
-- A session that this role may not see has no type and no state.
WHERE a.pid <> pg_catalog.pg_backend_pid()
  AND (a.backend_type IS NULL OR a.backend_type NOT IN (
      'checkpointer', 'background writer', 'walwriter', 'archiver', 'startup', 'walreceiver', 'logger', 'autovacuum launcher',
      'logical replication launcher', 'walsummarizer', 'slotsync worker', 'io worker'))
ORDER BY a.xact_start NULLS LAST, a.pid
LIMIT 2000
