-- What each statement of this database has taken since the statistics were reset, to be kept: at most {limit} rows, those that took
-- most time first, and in each row what is known of all of them. {schema} is where the extension lies.
--
-- Counters of a statement that this role may not see have no number, so they cannot be found again, and are only counted. A text
-- that may hold a password is not kept.
WITH statements AS (
    SELECT s.*
    FROM {schema}.pg_stat_statements AS s
    WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
), chosen AS MATERIALIZED (
    SELECT s.* FROM statements AS s WHERE s.queryid IS NOT NULL ORDER BY s.total_exec_time DESC, s.queryid LIMIT {limit}
)
SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS taken,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp()) AS taken_seconds,
       (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)
           || CASE WHEN pg_catalog.pg_is_in_recovery() THEN ' standby' ELSE '' END AS server,
       pg_catalog.current_database() AS database_name,
       pg_catalog.to_char(i.stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS since,
       i.dealloc AS forgotten,
       (SELECT pg_catalog.count(*) FROM statements AS h WHERE h.queryid IS NULL) AS hidden,
       (SELECT pg_catalog.count(*) FROM statements AS h WHERE h.queryid IS NOT NULL) <= {limit} AS is_whole,
       s.queryid, pg_catalog.pg_get_userbyid(s.userid) AS user_name, s.toplevel, s.calls,
       s.total_exec_time AS total_ms, s.rows AS row_count,
       (s.shared_blks_read + s.local_blks_read) * block.size AS read_bytes,
       (s.shared_blks_written + s.local_blks_written) * block.size AS written_bytes,
       (s.temp_blks_read + s.temp_blks_written) * block.size AS temp_bytes,
       EXTRACT(epoch FROM (more.of ->> 'stats_since')::timestamptz) AS statement_since,
       CASE
           WHEN s.query ~* 'password' AND pg_catalog.strpos(s.query, '''') > 0 THEN NULL
           -- Where it is cut off the mark would be lost.
           WHEN {ours} THEN '/* asked by plimsoll */ ' || pg_catalog.left(s.query, 400)
           ELSE pg_catalog.left(s.query, 500)
       END AS query
FROM {schema}.pg_stat_statements_info AS i
CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::pg_catalog.int8 AS size) AS block
LEFT JOIN chosen AS s ON true
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS of) AS more
/* asked by plimsoll */
