-- The vacuums, rewrites (VACUUM FULL, CLUSTER) and analyzes under way in this database. What another role does is hidden from a role
-- without pg_read_all_stats: then the phase is not told. The columns differ by version, so they are read by name from JSON.
WITH all_of_them AS (
    SELECT 'vacuum' AS work, pid, datid, relid, phase, heap_blks_total AS total, heap_blks_scanned AS done,
           pg_catalog.to_jsonb(v) AS row
    FROM pg_catalog.pg_stat_progress_vacuum AS v
    UNION ALL
    SELECT pg_catalog.lower(COALESCE(command, 'rewrite')), pid, datid, relid, phase, heap_blks_total, heap_blks_scanned, NULL
    FROM pg_catalog.pg_stat_progress_cluster
    UNION ALL
    SELECT 'analyze', pid, datid, relid, phase, sample_blks_total, sample_blks_scanned, NULL
    FROM pg_catalog.pg_stat_progress_analyze
)
SELECT w.work AS upkeep_work, w.pid,
       CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END AS name,
       w.phase, w.total, w.done, pg_catalog.current_setting('block_size') AS block_size,
       w.row ->> 'index_vacuum_count' AS index_rounds,
       w.row ->> 'indexes_processed' AS indexes_done, w.row ->> 'indexes_total' AS indexes_total,
       a.backend_type = 'autovacuum worker' AS is_automatic,
       a.query LIKE '%(to prevent wraparound)' AS is_forced,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start) AS seconds,
       a.wait_event_type = 'Lock' AS waits
FROM all_of_them AS w
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = w.relid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_get_activity(NULL) AS a ON a.pid = w.pid
WHERE w.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
ORDER BY seconds DESC NULLS LAST, w.pid
LIMIT 50
