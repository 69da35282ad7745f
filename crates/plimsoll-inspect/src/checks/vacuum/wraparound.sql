-- How old the oldest transaction number of each database is; and the oldest tables of this one, since only those can be seen from
-- here. A TOAST table counts for its table, with which it is vacuumed.
WITH databases AS (
    SELECT d.datname::text AS aged_database, d.datname = pg_catalog.current_database() AS is_here, NULL AS aged_table,
           pg_catalog.age(d.datfrozenxid) AS xids
    FROM pg_catalog.pg_database AS d
    ORDER BY 4 DESC
    LIMIT 100
), oldest AS (
    SELECT COALESCE(o.oid, t.oid) AS oid, pg_catalog.max(pg_catalog.age(t.relfrozenxid)) AS xids
    FROM pg_catalog.pg_class AS t
    LEFT JOIN pg_catalog.pg_class AS o ON t.relkind = 't' AND o.reltoastrelid = t.oid
    WHERE t.relkind IN ('r', 'm', 't') AND t.relfrozenxid <> '0'::pg_catalog.xid
    GROUP BY 1
    ORDER BY 2 DESC, 1
    LIMIT 21
)
SELECT * FROM databases
UNION ALL
SELECT NULL, true, pg_catalog.format('%I.%I', n.nspname, c.relname), a.xids
FROM oldest AS a
JOIN pg_catalog.pg_class AS c USING (oid)
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY xids DESC
LIMIT 121
