-- What the size of a B-tree is estimated by, of the two hundred largest: entries and pages as of the last vacuum or analyze, what
-- was changed in the table since, and each column's width, alignment, share of nulls, and how often its values repeat. Entries with
-- the same key share one key unless the operator class forbids it (it has no support function 4), the collation takes different
-- texts for equal, or there are INCLUDE columns.
WITH indexes AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relnamespace, c.reltuples, c.relpages, c.reloptions,
           i.indrelid, i.indkey, i.indnkeyatts, i.indnatts, i.indclass, i.indcollation, i.indisunique, i.indpred IS NOT NULL AS partial,
           pg_catalog.count(*) OVER () AS considered
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE c.relkind = 'i' AND c.relpages > 1 AND i.indisvalid AND c.relpersistence <> 't'
      AND c.relam = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree')
      AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace
                                 WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))
    ORDER BY c.relpages DESC, c.oid
    LIMIT 200
)
SELECT pg_catalog.format('%I.%I', n.nspname, x.relname) AS index_name,
       pg_catalog.format('%I.%I', tn.nspname, t.relname) AS table_name,
       x.reltuples, x.relpages,
       (SELECT pg_catalog.split_part(option, '=', 2) FROM pg_catalog.unnest(x.reloptions) AS option
        WHERE option LIKE 'fillfactor=%') AS fill_factor,
       pg_catalog.current_setting('block_size') AS block_size,
       x.indisunique AS is_unique, x.partial,
       t.reltuples AS table_rows,
       pg_catalog.pg_stat_get_mod_since_analyze(t.oid) AS modified,
       pg_catalog.pg_stat_get_dead_tuples(t.oid) AS dead,
       COALESCE(pg_catalog.pg_stat_get_last_analyze_time(t.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid)) IS NOT NULL
           AS counted,
       x.indnkeyatts = x.indnatts
           AND NOT EXISTS (SELECT FROM pg_catalog.unnest(x.reloptions) AS option
                           WHERE option LIKE 'deduplicate_items=%'
                             AND NOT pg_catalog.split_part(option, '=', 2)::boolean)
           AND NOT EXISTS (
               SELECT FROM ROWS FROM (pg_catalog.unnest(x.indclass::oid[]), pg_catalog.unnest(x.indcollation::oid[])) AS k (opclass, collation_oid)
               JOIN pg_catalog.pg_opclass AS oc ON oc.oid = k.opclass
               LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = k.collation_oid
               WHERE NOT COALESCE(l.collisdeterministic, true)
                  OR NOT EXISTS (SELECT FROM pg_catalog.pg_amproc AS p
                                 WHERE p.amprocfamily = oc.opcfamily AND p.amprocnum = 4
                                   AND p.amproclefttype = oc.opcintype AND p.amprocrighttype = oc.opcintype)
           ) AS shares_keys,
       (SELECT pg_catalog.string_agg(
            pg_catalog.concat_ws(':', a.attlen, a.attalign,
                COALESCE(COALESCE(s.avg_width, e.avg_width)::text, ''), COALESCE(COALESCE(s.null_frac, e.null_frac)::text, ''),
                COALESCE(ta.attnotnull, false),
                COALESCE(COALESCE(s.n_distinct, e.n_distinct)::text, ''),
                COALESCE(pg_catalog.array_to_string((COALESCE(s.most_common_freqs, e.most_common_freqs))[1:1000], ' '), '')), ';' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        LEFT JOIN pg_catalog.pg_attribute AS ta ON ta.attrelid = x.indrelid AND ta.attnum = x.indkey[a.attnum - 1] AND ta.attnum > 0
        -- The names of schema and table have to come from outside, or the whole of pg_stats is read for each index.
        LEFT JOIN pg_catalog.pg_stats AS s
            ON s.schemaname = tn.nspname AND s.tablename = t.relname AND s.attname = ta.attname AND NOT s.inherited
        LEFT JOIN pg_catalog.pg_stats AS e
            ON e.schemaname = n.nspname AND e.tablename = x.relname AND e.attname = a.attname AND NOT e.inherited
        WHERE a.attrelid = x.oid AND a.attnum > 0) AS columns,
       x.considered
FROM indexes AS x
JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
JOIN pg_catalog.pg_class AS t ON t.oid = x.indrelid
JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
ORDER BY x.relpages DESC, x.oid
LIMIT 200
