-- What keeps vacuum from removing dead rows, the oldest first: transactions, replication slots, prepared transactions, standbys that
-- report their queries. A vacuum holds nothing back, and neither does the session that asks.
WITH here AS (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
), holders AS (
    SELECT CASE WHEN a.backend_type = 'walsender' THEN 'standby' ELSE 'transaction' END AS kind,
           a.pid::text AS name,
           GREATEST(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) AS xids,
           pg_catalog.concat_ws(', ', NULLIF(a.application_name, ''), 'user ' || pg_catalog.pg_get_userbyid(a.usesysid),
               'database ' || d.datname, a.state) AS detail,
           a.state = 'active' AS is_active,
           a.backend_start::text AS backend_start,
           d.datname::text AS database
    FROM pg_catalog.pg_stat_get_activity(NULL) AS a
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = a.datid
    WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
      AND a.pid <> pg_catalog.pg_backend_pid()
      AND a.backend_type IN ('client backend', 'walsender', 'background worker')
      AND a.pid NOT IN (SELECT p.pid FROM pg_catalog.pg_stat_get_progress_info('VACUUM') AS p (pid))
    UNION ALL
    SELECT 'slot', s.slot_name::text,
           GREATEST(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)),
           pg_catalog.concat_ws(', ', s.slot_type, CASE WHEN s.active THEN 'in use by pid ' || s.active_pid::text ELSE 'not in use' END,
               CASE WHEN s.xmin IS NULL THEN 'holds the catalogs only' END),
           s.active, NULL, NULL
    FROM pg_catalog.pg_get_replication_slots() AS s
    WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared', x.gid, pg_catalog.age(x.transaction),
           pg_catalog.concat_ws(', ', 'prepared ' || pg_catalog.date_trunc('second', x.prepared)::text,
               'owner ' || pg_catalog.pg_get_userbyid(x.ownerid), 'database ' || d.datname),
           x.dbid = (SELECT oid FROM here), NULL, d.datname::text
    FROM pg_catalog.pg_prepared_xact() AS x
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = x.dbid
)
SELECT kind AS holder_kind, name, xids, detail, is_active, backend_start, database
FROM holders
ORDER BY xids DESC
LIMIT 200
