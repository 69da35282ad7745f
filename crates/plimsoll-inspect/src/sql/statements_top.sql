-- The statements of this database that took the most time since the statistics were reset: at most 20 rows.
--
-- {schema} is where the extension lies, {calls} how often a statement must have been called, {order} the column that
-- decides. Utility statements keep their constants before PostgreSQL 17 or 18, so a text that may hold a password is not
-- shown.
WITH statements AS (
    SELECT s.queryid, s.userid, s.calls, s.total_exec_time, s.mean_exec_time, s.max_exec_time, s.rows,
           s.shared_blks_hit, s.shared_blks_read, s.query,
           s.total_exec_time / NULLIF(pg_catalog.sum(s.total_exec_time) OVER (), 0) AS share
    FROM {schema}.pg_stat_statements AS s
    WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
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
       CASE
           WHEN s.query ~* 'password' AND pg_catalog.strpos(s.query, '''') > 0 THEN NULL
           ELSE pg_catalog.left(s.query, 2000)
       END AS query,
       i.dealloc AS forgotten,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - i.stats_reset) AS collected_seconds,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM {schema}.pg_stat_statements_info AS i
LEFT JOIN statements AS s ON s.calls > {calls}
ORDER BY s.{order} DESC NULLS LAST, s.queryid
LIMIT 20
