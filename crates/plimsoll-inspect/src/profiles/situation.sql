-- What the role that asks may change, and what is there of the extension that collects statements. The application's role is
-- current_setting('plimsoll.role').
SELECT me.rolsuper AS may_all,
       me.rolcreaterole AS may_make_roles,
       pg_catalog.pg_has_role(me.oid, d.datdba, 'USAGE') AS may_database,
       pg_catalog.pg_get_userbyid(d.datdba) AS database_owner,
       COALESCE((SELECT o.rolsuper FROM pg_catalog.pg_roles AS o WHERE o.oid = d.datdba), false) AS owner_is_super,
       (SELECT pg_catalog.string_agg(s.rolname, ', ') FROM (SELECT rolname FROM pg_catalog.pg_roles
        WHERE rolsuper AND rolcanlogin ORDER BY oid LIMIT 3) AS s) AS superusers,
       COALESCE(app.rolsuper, false) AS role_is_super,
       app.oid IS NOT DISTINCT FROM me.oid AS role_is_me,
       COALESCE(pg_catalog.pg_has_role(me.oid, app.oid, 'MEMBER WITH ADMIN OPTION'), false) AS may_admin_role,
       pg_catalog.has_function_privilege(me.oid, 'pg_catalog.pg_reload_conf()', 'EXECUTE') AS may_reload,
       pg_catalog.has_function_privilege(me.oid, 'pg_catalog.pg_show_all_file_settings()', 'EXECUTE')
           AND pg_catalog.has_table_privilege(me.oid, 'pg_catalog.pg_file_settings', 'SELECT') AS may_read_files,
       COALESCE((SELECT setting = 'off' FROM pg_catalog.pg_settings WHERE name = 'allow_alter_system'), false)
           AS alter_system_is_off,
       EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'pg_stat_statements.max') AS statements_loaded,
       (SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_stat_statements') AS statements_installed,
       EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements') AS statements_available,
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'shared_preload_libraries') AS preloaded
FROM pg_catalog.pg_roles AS me
JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_roles AS app
    ON app.rolname = COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user)
WHERE me.rolname = current_user
