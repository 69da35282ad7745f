-- How many connections the application's role may have and has, and how many there are for roles that are no superusers. What
-- kind a session is of is hidden from a role without pg_monitor; such sessions are counted. The session that asks is not.
SELECT r.rolconnlimit AS role_limit, r.rolsuper AS role_is_superuser,
       pg_catalog.current_setting('max_connections')::int
           - pg_catalog.current_setting('superuser_reserved_connections')::int
           - COALESCE(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS role_usable,
       (
           SELECT count(*) FROM pg_catalog.pg_stat_activity AS a
           WHERE a.usesysid = r.oid AND COALESCE(a.backend_type, 'client backend') = 'client backend'
             AND a.pid <> pg_catalog.pg_backend_pid()
       ) AS role_sessions
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user)
