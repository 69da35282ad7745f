-- What autovacuum decides by, of the thousand tables that are nearest to their turn or past it: counters, sizes, and the settings of
-- the table and of the server. Counters are read by their functions, which lock nothing; the views would join all indexes. The size
-- is read from the file only where the catalog has none, and not of tables that another session has locked.
WITH settings AS (
    SELECT pg_catalog.string_agg(name || '=' || setting, ',') AS all_of_them
    FROM pg_catalog.pg_settings WHERE name LIKE 'autovacuum%' OR name IN ('track_counts', 'vacuum_truncate', 'vacuum_cost_limit', 'vacuum_cost_delay')
), tables AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.reltuples, c.relpages, c.reloptions, c.relfrozenxid, c.relminmxid,
           pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
           pg_catalog.pg_stat_get_ins_since_vacuum(c.oid) AS inserted,
           pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS modified
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'm', 't', 'p') AND c.relpersistence <> 't'
      AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'information_schema')
), nearest AS MATERIALIZED (
    SELECT t.*, pg_catalog.count(*) OVER () AS considered
    FROM tables AS t
    WHERE dead > 0 OR inserted > 0 OR modified > 0 OR (reltuples < 0 AND relkind <> 't')
    -- First those with options of their own, of which the usual limits say nothing.
    ORDER BY COALESCE(pg_catalog.array_to_string(reloptions, ',') LIKE '%autovacuum%', false) DESC,
             GREATEST(dead, modified, inserted / 5) / (50 + 0.1 * GREATEST(reltuples, 0)) DESC, oid
    LIMIT 1000
), locked AS MATERIALIZED (
    SELECT relation FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
)
SELECT t.relkind AS autovacuum_kind,
       pg_catalog.format('%I.%I', n.nspname, t.relname) AS name,
       n.nspname = 'pg_catalog' OR COALESCE(o.relnamespace, t.relnamespace) = 'pg_catalog'::regnamespace AS of_system,
       CASE WHEN o.oid IS NOT NULL THEN pg_catalog.format('%I.%I', om.nspname, o.relname) END AS owner,
       t.reltuples, t.relpages,
       CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 180000
            THEN pg_catalog.to_jsonb(c) ->> 'relallfrozen' END AS frozen_pages,
       t.dead, t.inserted, t.modified,
       CASE WHEN t.relkind = 'p' THEN 0 ELSE pg_catalog.age(t.relfrozenxid) END AS xid_age,
       CASE WHEN t.relkind = 'p' THEN 0 ELSE pg_catalog.mxid_age(t.relminmxid) END AS mxid_age,
       EXTRACT(epoch FROM pg_catalog.now() - GREATEST(pg_catalog.pg_stat_get_last_vacuum_time(t.oid),
           pg_catalog.pg_stat_get_last_autovacuum_time(t.oid))) AS vacuum_seconds,
       EXTRACT(epoch FROM pg_catalog.now() - GREATEST(pg_catalog.pg_stat_get_last_analyze_time(t.oid),
           pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid))) AS analyze_seconds,
       EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_stat_get_last_autovacuum_time(t.oid)) AS autovacuum_seconds,
       EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid)) AS autoanalyze_seconds,
       pg_catalog.pg_stat_get_tuples_updated(t.oid) + pg_catalog.pg_stat_get_tuples_deleted(t.oid) AS rewritten,
       CASE WHEN t.reltuples < 0 AND t.relkind IN ('r', 'm') AND t.oid NOT IN (SELECT relation FROM locked)
            THEN pg_catalog.pg_relation_size(t.oid) END AS bytes,
       CASE WHEN t.relkind = 'p' THEN (
           SELECT pg_catalog.sum(part.reltuples) FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS part ON part.oid = i.inhrelid
           WHERE i.inhparent = t.oid AND part.reltuples > 0) END AS part_rows,
       pg_catalog.array_to_string(COALESCE(t.reloptions, o.reloptions), ',') AS options,
       settings.all_of_them AS settings,
       t.considered,
       EXTRACT(epoch FROM pg_catalog.now() - (SELECT pg_catalog.pg_stat_get_db_stat_reset_time(d.oid) FROM pg_catalog.pg_database AS d
           WHERE d.datname = pg_catalog.current_database())) AS reset_seconds,
       EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_postmaster_start_time()) AS up_seconds
FROM nearest AS t
CROSS JOIN settings
JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_class AS o ON t.relkind = 't' AND o.reltoastrelid = t.oid
LEFT JOIN pg_catalog.pg_namespace AS om ON om.oid = o.relnamespace
ORDER BY GREATEST(t.dead, t.modified, t.inserted / 5) / (50 + 0.1 * GREATEST(t.reltuples, 0)) DESC, t.oid
LIMIT 1000
