-- How many sessions began in this database and how long they lasted, and how old the clients of the server are that are there now.
-- Where the database's own statistics were never reset, they count since it was made, which is after those of the server began:
-- the rate is then at least the one that is told.
SELECT d.datname AS churn_database, d.sessions AS churn_sessions,
       d.session_time / 1000.0 AS churn_session_seconds,
       EXTRACT(epoch FROM pg_catalog.now() - COALESCE(d.stats_reset, LEAST(b.stats_reset, a.stats_reset, w.stats_reset)))
           AS churn_seconds,
       EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_postmaster_start_time()) AS churn_uptime,
       c.backends AS churn_backends, c.age AS churn_age
FROM pg_catalog.pg_stat_database AS d
CROSS JOIN pg_catalog.pg_stat_bgwriter AS b
CROSS JOIN pg_catalog.pg_stat_archiver AS a
CROSS JOIN pg_catalog.pg_stat_wal AS w
CROSS JOIN (
    SELECT count(*) AS backends,
           COALESCE(EXTRACT(epoch FROM avg(pg_catalog.now() - backend_start)), 0) AS age
    FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
) AS c
WHERE d.datname = pg_catalog.current_database()
