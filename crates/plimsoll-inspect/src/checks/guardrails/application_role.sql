-- What the application's role may beyond using tables: the attributes that set rules aside, and the tables of this database that
-- it owns, by itself or through a role that it has the rights of. One row for each such owner, at least one for the role.
WITH asked AS (
    SELECT r.oid, r.rolname, r.rolsuper, r.rolbypassrls FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user)
), owners AS (
    SELECT c.relowner, count(*) AS tables,
           count(*) FILTER (WHERE c.relrowsecurity AND NOT c.relforcerowsecurity) AS unprotected,
           min(pg_catalog.format('%I.%I', n.nspname, c.relname)) AS example
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    GROUP BY c.relowner
)
SELECT a.rolsuper AS application_is_superuser, a.rolbypassrls AS application_bypasses_rls,
       o.relowner = a.oid AS owns_itself, pg_catalog.pg_get_userbyid(o.relowner) AS owner_name,
       o.tables AS owned_tables, o.unprotected AS owned_unprotected, o.example AS owned_example
FROM asked AS a
LEFT JOIN owners AS o ON pg_catalog.pg_has_role(a.oid, o.relowner, 'USAGE')
ORDER BY o.relowner = a.oid DESC NULLS LAST, o.tables DESC
LIMIT 51
