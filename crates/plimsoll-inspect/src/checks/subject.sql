-- What is known of the server, of the role that asks and of the role that is asked about, before anything is checked. The role
-- that is asked about may not exist.
SELECT pg_catalog.current_setting('server_version_num') AS version,
       pg_catalog.current_setting('server_version') AS version_text,
       pg_catalog.current_database() AS database,
       current_user AS login,
       COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user) AS role,
       EXISTS (
           SELECT FROM pg_catalog.pg_roles
           WHERE rolname = COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user)
       ) AS role_exists,
       pg_catalog.pg_is_in_recovery() AS is_standby,
       pg_catalog.pg_has_role('pg_monitor', 'USAGE') AS monitors,
       COALESCE((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false) AS is_superuser,
       pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.date_trunc('second', pg_catalog.now() AT TIME ZONE 'UTC') AS server_time,
       pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC' AS started
