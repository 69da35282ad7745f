-- Whether the extension pgstattuple is there, in which schema, and whether the role that asks may use it.
SELECT 'pgstattuple' AS measure, pg_catalog.quote_ident(n.nspname) AS schema,
       (SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = n.oid AND p.proname IN ('pgstattuple', 'pgstattuple_approx', 'pgstatindex')) AS may
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pgstattuple'
