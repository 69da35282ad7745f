-- The settings as the server's configuration has them, where each is from, and which wait for a restart. Where a setting is from
-- is hidden from roles without the rights of pg_read_all_settings; some settings are hidden from them altogether.
SELECT p.name AS server_setting, p.reset_val AS server_value,
       p.source AS server_source, p.pending_restart AS waits_for_restart,
       CASE WHEN p.source IN ('default', 'override') THEN false
            WHEN p.source = 'configuration file' AND p.sourcefile IS NOT NULL
                THEN pg_catalog.right(p.sourcefile, 21) = '/postgresql.auto.conf'
       END AS is_in_auto_conf
FROM pg_catalog.pg_settings AS p
