-- Foreign keys whose own table has no index that begins with their columns, in any order. An index counts if it is valid and has
-- all rows, or at least those where a column of the key is not null. The rows are what ANALYZE or the statistics last counted,
-- whichever is more; NULL if neither has and the table is not empty. Keys that a partition has from its parent are left out, as
-- the parent's index makes its partitions'.
WITH locked AS MATERIALIZED (
    SELECT l.relation FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
), begins AS MATERIALIZED (
    SELECT k.oid AS key, i.indexrelid, i.indrelid, i.indisvalid, i.indpred
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_index AS i ON i.indrelid = k.conrelid
        AND (i.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(k.conkey) - 1] @> k.conkey
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS am ON am.oid = c.relam AND am.amname IN ('btree', 'hash')
    WHERE k.contype = 'f' AND k.conparentid = 0
), keys AS MATERIALIZED (
    SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, t.relkind, t.relname, t.relnamespace, t.reltuples
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid AND t.relpersistence <> 't'
    WHERE k.contype = 'f' AND k.conparentid = 0
      AND NOT EXISTS (
          SELECT FROM begins AS i
          WHERE i.key = k.oid AND i.indisvalid
            AND CASE WHEN i.indpred IS NULL THEN true
                     -- Its condition cannot be read without waiting.
                     WHEN k.conrelid IN (SELECT l.relation FROM locked AS l) THEN false
                     ELSE EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                  AND pg_catalog.pg_get_expr(i.indpred, i.indrelid) = pg_catalog.format('(%I IS NOT NULL)', a.attname)
            ) END
      )
), counted AS (
    SELECT k.*, CASE
        WHEN k.relkind = 'p' THEN (
            WITH RECURSIVE part AS (
                SELECT k.conrelid AS oid UNION ALL
                SELECT h.inhrelid FROM part JOIN pg_catalog.pg_inherits AS h ON h.inhparent = part.oid
            )
            SELECT pg_catalog.sum(GREATEST(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0))
            FROM part JOIN pg_catalog.pg_class AS c ON c.oid = part.oid AND c.relkind = 'r'
        )
        WHEN k.reltuples >= 0 OR pg_catalog.pg_stat_get_live_tuples(k.conrelid) > 0
            THEN GREATEST(k.reltuples, pg_catalog.pg_stat_get_live_tuples(k.conrelid))
        WHEN k.conrelid IN (SELECT l.relation FROM locked AS l) THEN NULL
        WHEN pg_catalog.pg_relation_size(k.conrelid) = 0 THEN 0
    END AS row_count
    FROM keys AS k
)
SELECT k.conname AS key_name,
       pg_catalog.format('%I.%I', n.nspname, k.relname) AS table_name,
       k.confrelid::pg_catalog.regclass AS parent_name,
       k.relkind = 'p' AS is_partitioned,
       -- Whether a condition could not be read, and the index that would do if it were valid.
       k.conrelid IN (SELECT l.relation FROM locked AS l)
           AND EXISTS (SELECT FROM begins AS i WHERE i.key = k.oid AND i.indisvalid AND i.indpred IS NOT NULL) AS is_locked,
       (SELECT pg_catalog.min(i.indexrelid::pg_catalog.regclass::text) FROM begins AS i
        WHERE i.key = k.oid AND NOT i.indisvalid AND i.indpred IS NULL
          AND i.indexrelid::pg_catalog.regclass::text !~ '_cc(new|old)[0-9]*"?$') AS invalid_index,
       -- A line each: no other character divides names.
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), E'\n' ORDER BY key.place)
        FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (number, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = key.number) AS column_names,
       k.row_count,
       -- A name that is free: identifiers have at most 63 bytes.
       CASE WHEN EXISTS (
           SELECT FROM pg_catalog.pg_class AS taken
           WHERE taken.relnamespace = k.relnamespace AND taken.relname = pg_catalog.left(k.conname, 59) || '_idx'
       ) THEN pg_catalog.left(k.conname, 48) || '_' || k.conrelid || '_idx'
       ELSE pg_catalog.left(k.conname, 59) || '_idx' END AS free_name,
       pg_catalog.quote_ident(n.nspname) AS schema_name
FROM counted AS k
JOIN pg_catalog.pg_namespace AS n ON n.oid = k.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY k.row_count DESC NULLS FIRST, 2, 1
LIMIT 1000
