-- The server in a few numbers. A role without pg_read_all_stats does not see what kind of process another role's session is: what
-- works for a database counts as a client then.
WITH clients AS (
    SELECT pid FROM pg_catalog.pg_stat_get_activity(NULL)
    WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)
)
SELECT pg_catalog.current_database() AS numbers_of,
       pg_catalog.current_setting('server_version') AS server_version,
       pg_catalog.pg_is_in_recovery() AS is_standby,
       (SELECT pg_catalog.count(*) FROM clients) AS connections_used,
       pg_catalog.current_setting('max_connections')::int
           - pg_catalog.current_setting('superuser_reserved_connections')::int
           - COALESCE(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS connections_usable,
       (SELECT pg_catalog.sum(xact_commit + xact_rollback) FROM pg_catalog.pg_stat_database) AS transactions,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp()) AS clock_seconds,
       (SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(prepared))
          FROM pg_catalog.pg_prepared_xacts) AS prepared_seconds,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_other_roles
