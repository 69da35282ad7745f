-- What the size of a table is estimated by, of the two hundred largest: rows and pages as of the last vacuum or analyze, what was
-- changed since, and each column's width, alignment and share of nulls. A TOAST table has no statistics of its columns. A table
-- that was never vacuumed or analyzed has no size in the catalog; it is ranked by the rows that were counted.
WITH tables AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relnatts, c.reltuples, c.relpages, c.reloptions,
           CASE WHEN c.reltuples < 0 THEN (pg_catalog.pg_stat_get_live_tuples(c.oid) + pg_catalog.pg_stat_get_dead_tuples(c.oid)) / 60
                ELSE c.relpages END AS rank
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't'
      AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
), largest AS MATERIALIZED (
    SELECT t.*, pg_catalog.count(*) OVER () AS considered FROM tables AS t WHERE rank > 0 ORDER BY rank DESC, oid LIMIT 200
)
SELECT t.relkind AS bloat_kind,
       pg_catalog.format('%I.%I', n.nspname, t.relname) AS name,
       CASE WHEN o.oid IS NOT NULL THEN pg_catalog.format('%I.%I', om.nspname, o.relname) END AS owner,
       t.reltuples, t.relpages, t.relnatts,
       (SELECT pg_catalog.split_part(option, '=', 2) FROM pg_catalog.unnest(t.reloptions) AS option
        WHERE option LIKE 'fillfactor=%') AS fill_factor,
       pg_catalog.current_setting('block_size') AS block_size,
       pg_catalog.pg_stat_get_mod_since_analyze(t.oid) AS modified,
       pg_catalog.pg_stat_get_live_tuples(t.oid) AS counted_rows,
       pg_catalog.pg_stat_get_dead_tuples(t.oid) AS dead,
       COALESCE(pg_catalog.pg_stat_get_last_analyze_time(t.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid)) IS NOT NULL
           AS counted,
       COALESCE(pg_catalog.pg_stat_get_last_vacuum_time(t.oid), pg_catalog.pg_stat_get_last_autovacuum_time(t.oid)) IS NOT NULL
           AS vacuum_counted,
       (SELECT pg_catalog.string_agg(
            pg_catalog.concat_ws(':', a.attlen, a.attalign,
                -- A column that is computed when it is read takes no room.
                CASE WHEN a.attgenerated = 'v' THEN '0' ELSE COALESCE(s.avg_width::text, '') END,
                CASE WHEN a.attgenerated = 'v' THEN '1' ELSE COALESCE(s.null_frac::text, '') END,
                a.attnotnull), ';' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        LEFT JOIN pg_catalog.pg_stats AS s
            ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = a.attname AND NOT s.inherited
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.relkind <> 't') AS columns,
       t.considered
FROM largest AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_class AS o ON t.relkind = 't' AND o.reltoastrelid = t.oid
LEFT JOIN pg_catalog.pg_namespace AS om ON om.oid = o.relnamespace
ORDER BY t.rank DESC, t.oid
LIMIT 200
