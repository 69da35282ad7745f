-- The relations of the schema for which the application's role has not all that it needs, with what it lacks. What belongs to an
-- extension, or to the role itself, is left out.
SELECT CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
       pg_catalog.string_agg(wanted.privilege, ', ' ORDER BY wanted.at) AS lacks,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_roles AS app ON app.rolname = {app}
CROSS JOIN LATERAL (
    VALUES ('SELECT', 1, 'rpfvmS'), ('INSERT', 2, 'rpf'), ('UPDATE', 3, 'rpf'), ('DELETE', 4, 'rpf'), ('USAGE', 5, 'S')
) AS wanted (privilege, at, kinds)
WHERE n.nspname = {schema} AND pg_catalog.strpos(wanted.kinds, c.relkind::text) > 0
  AND c.relowner IS DISTINCT FROM app.oid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS a
                  WHERE a.grantee = app.oid AND a.privilege_type = wanted.privilege)
GROUP BY n.nspname, c.relname, c.relkind
ORDER BY relation
