-- How many deadlocks there were in this database, and since when they are counted. A database whose counters were never reset
-- says no time; then they are at least as old as the server's start.
SELECT pg_catalog.pg_stat_get_db_deadlocks(d.oid) AS deadlocks,
       COALESCE(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_postmaster_start_time()) AS counted_since,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp()
               - COALESCE(pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_postmaster_start_time())) AS counted_seconds
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
LIMIT 1
