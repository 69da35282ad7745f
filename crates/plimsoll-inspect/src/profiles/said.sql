-- What is set for this database, for the application's role, and for the role in the database.
SELECT lower(pg_catalog.split_part(entry, '=', 1)) AS said_name,
       pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS said_value,
       CASE WHEN s.setrole = 0 THEN 'database' WHEN s.setdatabase = 0 THEN 'role' ELSE 'role_in_database' END AS said_level
FROM pg_catalog.pg_db_role_setting AS s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
  AND (s.setrole = 0 OR r.rolname = COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user))
  AND (s.setrole <> 0 OR s.setdatabase <> 0)
