-- What a session knows of the server and of itself without a look at any catalog, for when one is locked. Whether the role exists
-- is not known, and neither is what it may see, unless it is a superuser.
SELECT pg_catalog.current_setting('server_version_num') AS version,
       pg_catalog.current_setting('server_version') AS version_text,
       pg_catalog.current_database() AS database,
       pg_catalog.current_setting('session_authorization') AS login,
       COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''),
                pg_catalog.current_setting('session_authorization')) AS role,
       true AS role_exists,
       pg_catalog.pg_is_in_recovery() AS is_standby,
       pg_catalog.current_setting('is_superuser') = 'on' AS monitors,
       pg_catalog.current_setting('is_superuser') = 'on' AS is_superuser,
       pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.date_trunc('second', pg_catalog.now() AT TIME ZONE 'UTC') AS server_time,
       pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC' AS started
