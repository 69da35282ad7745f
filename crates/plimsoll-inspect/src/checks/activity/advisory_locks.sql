-- Sessions that hold an advisory lock while they have no transaction: only a lock of a session outlives its transaction.
SELECT a.pid AS advisory_pid,
       pg_catalog.pg_get_userbyid(a.usesysid) AS user_name,
       a.application_name,
       a.backend_start,
       pg_catalog.count(*) AS held,
       pg_catalog.min(CASE WHEN l.objsubid = 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
                           ELSE l.classid::text || ', ' || l.objid::text END) AS key
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_get_activity(NULL) AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND a.state = 'idle' AND a.backend_type = 'client backend'
GROUP BY a.pid, a.usesysid, a.application_name, a.backend_start
ORDER BY held DESC, a.pid
LIMIT 200
