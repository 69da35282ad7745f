-- Which locks the transactions hold that stand idle: at most five each, those that another session waits for first, then the
-- strongest. A lock of a reader that no session waits for says nothing (every statement takes one), so those are left out; an
-- advisory lock is named by its key.
WITH idle AS MATERIALIZED (
    SELECT pid FROM pg_catalog.pg_stat_get_activity(NULL) WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')
    ORDER BY state_change LIMIT 500
), waited AS MATERIALIZED (
    SELECT DISTINCT locktype, database, relation, classid, objid, objsubid FROM pg_catalog.pg_locks
    WHERE NOT granted AND locktype IN ('relation', 'advisory')
), held AS (
    SELECT l.pid, l.locktype, l.mode, w.locktype IS NOT NULL AS is_waited_for,
           CASE WHEN l.locktype = 'relation' THEN
                    CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname)
                         ELSE 'a relation of another database, ' || l.relation::text END
                ELSE 'advisory key ' || CASE WHEN l.objsubid = 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
                                             ELSE l.classid::text || ', ' || l.objid::text END
           END AS object,
           pg_catalog.array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock',
               'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'], l.mode) AS strength
    FROM pg_catalog.pg_locks AS l
    JOIN idle USING (pid)
    LEFT JOIN waited AS w ON w.locktype = l.locktype AND w.database IS NOT DISTINCT FROM l.database
        AND w.relation IS NOT DISTINCT FROM l.relation AND w.classid IS NOT DISTINCT FROM l.classid
        AND w.objid IS NOT DISTINCT FROM l.objid AND w.objsubid IS NOT DISTINCT FROM l.objsubid
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
        AND l.database IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.granted AND l.locktype IN ('relation', 'advisory')
      AND (w.locktype IS NOT NULL OR l.mode <> 'AccessShareLock' AND COALESCE(c.relkind, 'r') <> 'i')
), ranked AS (
    SELECT pid, mode, object, pg_catalog.row_number() OVER w AS place, pg_catalog.count(*) OVER (PARTITION BY pid) AS held
    FROM held WINDOW w AS (PARTITION BY pid ORDER BY is_waited_for DESC, strength, object)
)
SELECT pid AS lock_holder,
       pg_catalog.string_agg(mode || ' on ' || object, ', ' ORDER BY place)
       || CASE WHEN pg_catalog.min(held) > 5 THEN ' and ' || (pg_catalog.min(held) - 5)::text || ' more' ELSE '' END AS locks_held
FROM ranked WHERE place <= 5
GROUP BY pid
LIMIT 500
