-- The standbys that a commit could wait for.
SELECT 'standbys' AS commits_wait_for,
       pg_catalog.count(*) FILTER (WHERE r.sync_state IN ('sync', 'quorum') AND r.state = 'streaming') AS synchronous,
       pg_catalog.count(*) AS connected,
       pg_catalog.string_agg(DISTINCT r.application_name, ', ') AS names
FROM pg_catalog.pg_stat_replication AS r
LIMIT 1
