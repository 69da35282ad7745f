-- The statements of this database that took the most since the statistics were reset: at most {limit} rows.
--
-- Those that ask questions like this one are left out and counted. {schema} is where the extension lies, {calls} how often a statement must have been called, {order} what decides. Times of
-- reading and writing have other names in other versions. Utility statements keep their constants before PostgreSQL 17 or 18,
-- so a text that may hold a password is not shown.
WITH here AS (
    SELECT s.*, {ours} AS is_ours
    FROM {schema}.pg_stat_statements AS s
    WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
), statements AS (
    SELECT s.*,
           s.total_exec_time / NULLIF(pg_catalog.sum(s.total_exec_time) OVER (), 0) AS share
    FROM here AS s
    WHERE NOT s.is_ours
), chosen AS MATERIALIZED (
    SELECT s.*, {order} AS place
    FROM statements AS s
    WHERE s.calls > {calls}
    ORDER BY {order} DESC, s.queryid
    LIMIT {limit}
)
SELECT s.queryid,
       pg_catalog.pg_get_userbyid(s.userid) AS user_name,
       s.calls,
       s.total_exec_time / 1000 AS total_seconds,
       s.mean_exec_time / 1000 AS mean_seconds,
       s.max_exec_time / 1000 AS max_seconds,
       s.share,
       s.rows AS row_count,
       s.shared_blks_hit AS blocks_hit,
       s.shared_blks_read AS blocks_read,
       (s.shared_blks_read + s.local_blks_read) * block.size AS read_bytes,
       (s.shared_blks_written + s.local_blks_written) * block.size AS written_bytes,
       (s.temp_blks_read + s.temp_blks_written) * block.size AS temp_bytes,
       (COALESCE((times.of ->> 'blk_read_time')::float8, (times.of ->> 'shared_blk_read_time')::float8, 0)
        + COALESCE((times.of ->> 'blk_write_time')::float8, (times.of ->> 'shared_blk_write_time')::float8, 0)
        + COALESCE((times.of ->> 'local_blk_read_time')::float8, 0) + COALESCE((times.of ->> 'local_blk_write_time')::float8, 0)
        + COALESCE((times.of ->> 'temp_blk_read_time')::float8, 0) + COALESCE((times.of ->> 'temp_blk_write_time')::float8, 0)
       ) / 1000 AS io_seconds,
       CASE
           WHEN s.query ~* 'password' AND pg_catalog.strpos(s.query, '''') > 0 THEN NULL
           ELSE pg_catalog.left(s.query, 2000)
       END AS query,
       i.dealloc AS forgotten,
       (SELECT pg_catalog.count(*) FROM here AS o WHERE o.is_ours) AS left_out,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - i.stats_reset) AS collected_seconds,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM {schema}.pg_stat_statements_info AS i
CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::pg_catalog.int8 AS size) AS block
LEFT JOIN chosen AS s ON true
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS of) AS times
ORDER BY s.place DESC NULLS LAST, s.queryid
LIMIT {limit}
/* asked by plimsoll */
