-- The roles that can change the tables of this database and log in: the owners, and the members of owners that cannot log in
-- themselves. For each the limits of its new sessions in this database, as `role_settings.sql` finds them for the application's
-- role: what is set for the role in the database, for the role, for the database, for all roles, else the server's own value,
-- which is hidden where something is set for the role that asks.
WITH RECURSIVE asked AS (
    SELECT COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user) AS role
), owners AS (
    SELECT r.oid, r.rolcanlogin, count(*) AS tables
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    GROUP BY r.oid, r.rolcanlogin
), able AS (
    SELECT oid AS role, oid AS owner, rolcanlogin, tables FROM owners
    UNION
    SELECT m.member, a.owner, false, a.tables
    FROM able AS a
    JOIN pg_catalog.pg_auth_members AS m ON m.roleid = a.role
    WHERE NOT a.rolcanlogin
), migrators AS (
    SELECT r.oid, r.rolname, sum(a.tables) AS tables
    FROM able AS a
    JOIN pg_catalog.pg_roles AS r ON r.oid = a.role AND r.rolcanlogin
    GROUP BY r.oid, r.rolname
    ORDER BY sum(a.tables) DESC, r.rolname
    LIMIT 51
), said AS (
    SELECT lower(pg_catalog.split_part(entry, '=', 1)) AS name,
           pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value, s.setrole,
           CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN 4 WHEN s.setrole <> 0 THEN 3
                WHEN s.setdatabase <> 0 THEN 2 ELSE 1 END AS strength
    FROM pg_catalog.pg_db_role_setting AS s
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
)
SELECT m.rolname AS migration_role, m.tables AS migration_tables, m.rolname = asked.role AS is_application,
       p.name AS migration_setting, p.unit AS migration_unit,
       CASE WHEN own.value IS NOT NULL THEN own.value
            WHEN m.rolname <> session_user AND asker.value IS NOT NULL THEN NULL
            ELSE p.reset_val END AS migration_value,
       CASE WHEN own.strength = 4 THEN 'role in database' WHEN own.strength = 3 THEN 'role'
            WHEN own.strength = 2 THEN 'database' WHEN own.strength = 1 THEN 'all roles'
            ELSE 'server' END AS migration_source,
       own.strength IS NULL AS migration_is_of_server
FROM migrators AS m
CROSS JOIN asked
JOIN pg_catalog.pg_settings AS p ON p.name IN ('lock_timeout', 'statement_timeout', 'transaction_timeout')
LEFT JOIN LATERAL (
    SELECT s.value, s.strength FROM said AS s
    WHERE s.name = p.name AND s.setrole IN (0, m.oid) ORDER BY s.strength DESC LIMIT 1
) AS own ON true
LEFT JOIN LATERAL (
    SELECT s.value FROM said AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    WHERE s.name = p.name AND r.rolname = session_user LIMIT 1
) AS asker ON true
ORDER BY m.tables DESC, m.rolname, p.name
