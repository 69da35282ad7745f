-- How many connections there may be, and are: of the server, of the role that asks, and of its database. What kind a session is of is
-- hidden from a role without pg_read_all_stats: what works for a database counts as a client then. A limit of -1 is none; superusers
-- have none.
WITH clients AS (
    SELECT datid, usesysid FROM pg_catalog.pg_stat_get_activity(NULL)
    WHERE pid <> pg_catalog.pg_backend_pid()
      AND (backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL))
)
SELECT pg_catalog.current_setting('max_connections')::int AS room_most,
       pg_catalog.current_setting('superuser_reserved_connections')::int
           + COALESCE(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT pg_catalog.count(*) FROM clients) AS used,
       CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END AS role_limit,
       (SELECT pg_catalog.count(*) FROM clients WHERE usesysid = r.oid) AS role_used,
       CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END AS database_limit,
       (SELECT pg_catalog.count(*) FROM clients WHERE datid = d.oid) AS database_used
FROM pg_catalog.pg_roles AS r, pg_catalog.pg_database AS d
WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()
