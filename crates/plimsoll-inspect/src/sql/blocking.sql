-- Who waits for a lock in this database, and who holds it: a row for each session that waits or blocks.
--
-- pg_blocking_pids locks the whole lock table for a moment, so it is called for sessions that wait, and for at most 64 of
-- them: those whose statements began first, which are nearest to the root. It is also called for a blocker that is not
-- among them but may itself wait: because there are more than 64, or because its wait is hidden from this role.
WITH RECURSIVE sessions AS MATERIALIZED (
    SELECT pid, datid, usesysid, application_name, state, wait_event_type, client_addr, client_port, backend_type,
           xact_start, state_change, query_start, query
    FROM pg_catalog.pg_stat_get_activity(NULL)
),
waiting AS MATERIALIZED (
    SELECT pid, query_start
    FROM sessions
    WHERE wait_event_type = 'Lock'
      AND datid = (SELECT datid FROM sessions WHERE pid = pg_catalog.pg_backend_pid())
),
hops (pid, blockers, depth) AS (
    SELECT w.pid, b.blockers, 1
    FROM (SELECT pid FROM waiting ORDER BY query_start LIMIT 64) AS w,
         LATERAL (SELECT pg_catalog.pg_blocking_pids(w.pid) AS blockers) AS b
    UNION ALL
    SELECT n.pid, b.blockers, n.depth
    FROM (
        SELECT DISTINCT s.pid, h.depth + 1 AS depth
        FROM hops AS h, LATERAL pg_catalog.unnest(h.blockers[1:64]) AS u (pid), sessions AS s
        WHERE s.pid = u.pid AND h.depth < 5
          AND (s.wait_event_type = 'Lock' OR s.backend_type IS NULL)
          AND s.pid NOT IN (SELECT f.pid FROM waiting AS f ORDER BY f.query_start LIMIT 64)
        LIMIT 16
    ) AS n,
    LATERAL (SELECT pg_catalog.pg_blocking_pids(n.pid) AS blockers) AS b
),
edges AS MATERIALIZED (
    SELECT DISTINCT ON (pid) pid, blockers[1:64] AS blockers FROM hops WHERE blockers <> '{}' ORDER BY pid, depth
),
locks AS MATERIALIZED (
    SELECT pid, locktype, mode, granted, relation, classid, objid, objsubid, waitstart
    FROM pg_catalog.pg_locks
    WHERE NOT granted OR locktype = 'tuple'
),
-- A session that waits for a row waits for the transaction that changed it, and holds the lock of the row meanwhile, which
-- tells the table.
awaited AS MATERIALIZED (
    SELECT DISTINCT ON (l.pid) l.pid, l.locktype, l.mode, l.waitstart, l.classid, l.objid, l.objsubid,
           COALESCE(l.relation, t.relation) AS relation
    FROM locks AS l
    LEFT JOIN locks AS t ON t.pid = l.pid AND t.granted AND t.locktype = 'tuple'
    WHERE NOT l.granted
    ORDER BY l.pid, t.relation
),
parties AS (
    SELECT pid FROM edges
    UNION
    SELECT u.pid FROM edges AS e, LATERAL pg_catalog.unnest(e.blockers) AS u (pid)
)
SELECT p.pid,
       -- Known to wait, but not asked for whom: there are too many.
       CASE WHEN w.pid IS NOT NULL AND p.pid NOT IN (SELECT h.pid FROM hops AS h) THEN '{}' ELSE e.blockers END AS blockers,
       s.application_name,
       pg_catalog.pg_get_userbyid(s.usesysid) AS user_name,
       CASE WHEN s.client_port = -1 THEN 'local' ELSE pg_catalog.host(s.client_addr) END AS client,
       s.backend_type,
       s.state,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - s.state_change) AS state_seconds,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - s.xact_start) AS transaction_seconds,
       CASE WHEN s.backend_type IS NOT NULL THEN pg_catalog.left(s.query, 1024) END AS query,
       a.locktype AS lock_type,
       a.mode AS lock_mode,
       CASE
           WHEN a.locktype = 'advisory' AND a.objsubid = 1
               THEN ((a.classid::bigint << 32) | a.objid::bigint)::text
           WHEN a.locktype = 'advisory' THEN a.classid::text || ', ' || a.objid::text
           ELSE a.relation::pg_catalog.regclass::text
       END AS lock_object,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.waitstart) AS wait_seconds,
       (SELECT pg_catalog.count(*) FROM waiting) AS lock_waits,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM parties AS p
LEFT JOIN sessions AS s USING (pid)
LEFT JOIN edges AS e USING (pid)
LEFT JOIN waiting AS w USING (pid)
LEFT JOIN awaited AS a ON a.pid = p.pid
ORDER BY e.pid IS NOT NULL OR w.pid IS NOT NULL, s.query_start, p.pid
LIMIT 256
/* asked by plimsoll */
