-- Tables that change much, with how much since when, and whether vacuum may cut off their empty end. Updates that stay in their page
-- leave none.
WITH since AS (
    SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp()
               - COALESCE(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_postmaster_start_time())) AS seconds
    FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
), busiest AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.reloptions, c.reltoastrelid, c.relpages,
           pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS deleted,
           pg_catalog.pg_stat_get_tuples_updated(c.oid) - pg_catalog.pg_stat_get_tuples_hot_updated(c.oid) AS moved
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p'
      AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
    ORDER BY pg_catalog.pg_stat_get_tuples_deleted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
             - pg_catalog.pg_stat_get_tuples_hot_updated(c.oid) DESC, c.oid
    LIMIT 200
)
SELECT pg_catalog.format('%I.%I', n.nspname, b.relname) AS hot_table,
       b.deleted, b.moved, b.relpages, since.seconds AS counted_seconds,
       b.reltoastrelid <> 0 AS has_toast,
       (SELECT pg_catalog.split_part(option, '=', 2) FROM pg_catalog.unnest(b.reloptions) AS option
        WHERE option LIKE 'vacuum_truncate=%') AS own,
       (SELECT pg_catalog.split_part(option, '=', 2) FROM pg_catalog.unnest(t.reloptions) AS option
        WHERE option LIKE 'vacuum_truncate=%') AS own_toast,
       pg_catalog.current_setting('vacuum_truncate', true) AS of_server,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_wal_senders()) AS standbys
FROM busiest AS b
CROSS JOIN since
JOIN pg_catalog.pg_namespace AS n ON n.oid = b.relnamespace
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = b.reltoastrelid
WHERE b.deleted + b.moved > 0
ORDER BY b.deleted + b.moved DESC, b.oid
LIMIT 200
