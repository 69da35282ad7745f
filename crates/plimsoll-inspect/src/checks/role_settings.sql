-- The settings as a new session of the application's role has them in this database, unless its program says otherwise. What is
-- set for the role in this database is stronger than what is set for the role, that is stronger than what is set for the
-- database, and that is stronger than what is set for all roles. Where none of these say anything, the server's own value
-- counts; it shows in this session, unless something is set for the role that asks and for no other, or this session was
-- started with a value of its own (`options`, PGOPTIONS).
WITH said AS (
    SELECT lower(pg_catalog.split_part(entry, '=', 1)) AS name,
           pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value,
           CASE WHEN s.setrole = 0 THEN NULL ELSE r.rolname END AS for_role,
           s.setdatabase <> 0 AS in_database,
           CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN 4 WHEN s.setrole <> 0 THEN 3
                WHEN s.setdatabase <> 0 THEN 2 ELSE 1 END AS strength
    FROM pg_catalog.pg_db_role_setting AS s
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
), asked AS (
    SELECT COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user) AS role
)
SELECT p.name AS setting_name, p.unit AS setting_unit,
       CASE WHEN own.value IS NOT NULL THEN own.value
            WHEN asker.value IS NOT NULL OR p.source = 'client' THEN NULL
            ELSE p.reset_val END AS setting_value,
       CASE WHEN own.strength = 4 THEN 'role in database' WHEN own.strength = 3 THEN 'role'
            WHEN own.strength = 2 THEN 'database' WHEN own.strength = 1 THEN 'all roles'
            WHEN asker.value IS NOT NULL THEN 'hidden by what is set for the role that asks'
            WHEN p.source = 'client' THEN 'hidden by what the session that asks was started with'
            WHEN p.reset_val IS NOT DISTINCT FROM p.boot_val THEN 'default'
            ELSE 'server' END AS setting_source,
       own.strength IS NULL AS is_of_server,
       p.boot_val AS setting_default, p.context AS setting_context, p.pending_restart
FROM pg_catalog.pg_settings AS p
CROSS JOIN asked
LEFT JOIN LATERAL (
    SELECT s.value, s.strength FROM said AS s
    WHERE s.name = lower(p.name) AND (s.for_role IS NULL OR s.for_role = asked.role) ORDER BY s.strength DESC LIMIT 1
) AS own ON true
LEFT JOIN LATERAL (
    SELECT s.value FROM said AS s
    WHERE s.name = lower(p.name) AND s.for_role = session_user AND asked.role <> session_user LIMIT 1
) AS asker ON true
