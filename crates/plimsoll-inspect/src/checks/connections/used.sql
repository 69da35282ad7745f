-- How many of the connections that are not reserved are used, and by which applications most. Only clients count: parallel
-- workers and what the server runs by itself have places of their own. The session that asks is not counted: it ends with the answer.
WITH clients AS (
    SELECT application_name FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
)
SELECT pg_catalog.current_setting('max_connections')::int
           - pg_catalog.current_setting('superuser_reserved_connections')::int
           - COALESCE(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS connections_usable,
       pg_catalog.current_setting('max_connections') AS connections_most,
       (SELECT count(*) FROM clients) AS connections_used, top.application, top.sessions
FROM (SELECT) AS one
LEFT JOIN (
    SELECT COALESCE(NULLIF(application_name, ''), '(no application_name)') AS application, count(*) AS sessions
    FROM clients GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5
) AS top ON true
