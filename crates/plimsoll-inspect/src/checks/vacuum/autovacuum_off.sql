-- The server's switches of autovacuum with the file that sets them, and the tables that have it off for themselves.
WITH tables AS (
    SELECT pg_catalog.format('%I.%I', n.nspname, COALESCE(o.relname, c.relname)) AS table_name,
           o.oid IS NOT NULL AS is_toast,
           pg_catalog.split_part(option, '=', 2) AS said,
           COALESCE(pg_catalog.pg_stat_get_live_tuples(c.oid), 0) AS live
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL pg_catalog.unnest(c.reloptions) AS option
    LEFT JOIN pg_catalog.pg_class AS o ON c.relkind = 't' AND o.reltoastrelid = c.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = COALESCE(o.relnamespace, c.relnamespace)
    WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't'
      AND option LIKE 'autovacuum_enabled=%' AND NOT pg_catalog.split_part(option, '=', 2)::boolean
    ORDER BY live DESC, 1
    LIMIT 500
)
SELECT s.name AS switch, NULL AS table_name, false AS is_toast, s.setting AS said, s.source, s.sourcefile, 0::bigint AS live
FROM pg_catalog.pg_settings AS s WHERE s.name IN ('autovacuum', 'track_counts')
UNION ALL
SELECT NULL, t.table_name, t.is_toast, t.said, NULL, NULL, t.live FROM tables AS t
LIMIT 502
