-- Whether pg_stat_statements collects, and if not, which step is missing: one row.
--
-- shared_preload_libraries itself is hidden from ordinary roles. The library's own settings exist exactly when it was
-- loaded with the server, and everybody may read them.
SELECT e.extversion AS version,
       pg_catalog.quote_ident(n.nspname) AS schema_name,
       pg_catalog.current_setting('pg_stat_statements.max', true) AS room,
       pg_catalog.current_setting('pg_stat_statements.track', true) AS track,
       EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = 'pg_stat_statements') AS is_available
FROM (SELECT) AS one
LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
/* asked by plimsoll */
