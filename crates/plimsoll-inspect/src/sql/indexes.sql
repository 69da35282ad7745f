-- The indexes of one table, or the worst of the database: at most {limit} rows, and always one that says what is known beside them.
--
-- {tables} are pairs of a schema ('' for each) and a table, each pair behind a comma; without any, all tables are meant.
-- Of all tables only what stands out is listed: not valid, covered by another one, or never used since the counters began.
--
-- An index is covered by another one of its table that begins with the same columns in the same order and form, under the same
-- condition; a unique one only by another unique one with exactly these columns. Of two equal ones the one that belongs to a constraint
-- stays, else the older one. What is in an expression or a condition is compared as it is stored, without the places in the text
-- that it was read from; that opens no table. What replication, CLUSTER or a constraint goes by is not covered; what is an index of a
-- partition goes with that of its table.
--
-- Sizes are measured, which opens the index, unless somebody has locked it or its table; then they are as of the last vacuum.
SET LOCAL enable_nestloop = off; SET LOCAL jit = off;
WITH named AS MATERIALIZED (
    SELECT schema_name, table_name FROM (VALUES ('', ''){tables}) AS v (schema_name, table_name) WHERE table_name <> ''
), here AS MATERIALIZED (
    SELECT d.oid, pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block,
           EXTRACT(epoch FROM pg_catalog.now() - GREATEST(s.stats_reset, a.stats_reset)) AS counted
    FROM pg_catalog.pg_database AS d
    JOIN pg_catalog.pg_stat_database AS s ON s.datid = d.oid
    CROSS JOIN pg_catalog.pg_stat_archiver AS a
    WHERE d.datname = pg_catalog.current_database()
), locked AS MATERIALIZED (
    SELECT DISTINCT l.relation FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.database = (SELECT oid FROM here)
      AND l.pid <> pg_catalog.pg_backend_pid()
), tables AS MATERIALIZED (
    SELECT t.oid, n.nspname, t.relname
    FROM pg_catalog.pg_class AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    WHERE t.relkind IN ('r', 'p', 'm') AND t.relpersistence <> 't'
      AND (NOT EXISTS (SELECT FROM named)
           OR EXISTS (SELECT FROM named AS w WHERE w.table_name = t.relname AND w.schema_name IN ('', n.nspname)))
), indexes AS MATERIALIZED (
    SELECT i.indexrelid AS oid, i.indrelid, i.indisunique, i.indisprimary, i.indisvalid, i.indisready, i.indnkeyatts, i.indnatts,
           (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1] AS key,
           (i.indclass::pg_catalog.oid[])[0:i.indnkeyatts - 1] AS class,
           (i.indcollation::pg_catalog.oid[])[0:i.indnkeyatts - 1] AS collation,
           (i.indoption::pg_catalog.int2[])[0:i.indnkeyatts - 1] AS option,
           pg_catalog.regexp_replace(i.indexprs::pg_catalog.text, ':location -?[0-9]+', '', 'g') AS expressions,
           pg_catalog.regexp_replace(i.indpred::pg_catalog.text, ':location -?[0-9]+', '', 'g') AS condition,
           pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' AS nulls_are_equal,
           c.relname, c.relkind, c.relam, c.relpages, c.relispartition, n.nspname, t.nspname AS table_schema, t.relname AS table_name,
           k.conname, k.contype,
           i.indisprimary OR i.indisexclusion OR i.indisreplident OR i.indisclustered OR k.oid IS NOT NULL AS is_needed
    FROM pg_catalog.pg_index AS i
    JOIN tables AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN (
        -- A foreign key of another table may go by a unique index that has no constraint of its own.
        SELECT DISTINCT ON (o.conindid) o.oid, o.conindid, o.conname, o.contype FROM pg_catalog.pg_constraint AS o
        WHERE o.conindid <> 0 ORDER BY o.conindid, o.contype = 'f', o.oid
    ) AS k ON k.conindid = i.indexrelid
), covered AS MATERIALIZED (
    SELECT DISTINCT ON (a.oid) a.oid, pg_catalog.format('%I.%I', b.nspname, b.relname) AS by_name,
           a.indnatts = b.indnatts AND a.indnkeyatts = b.indnkeyatts AS is_same
    FROM indexes AS a
    JOIN indexes AS b ON b.indrelid = a.indrelid AND b.relam = a.relam AND b.oid <> a.oid
    WHERE NOT a.is_needed AND a.indisvalid AND b.indisvalid AND NOT a.relispartition
      AND a.indnatts <= b.indnatts
      AND (a.indnatts = a.indnkeyatts OR a.indnatts = b.indnatts AND a.indnkeyatts = b.indnkeyatts
           AND (SELECT x.indkey::pg_catalog.text FROM pg_catalog.pg_index AS x WHERE x.indexrelid = a.oid)
             = (SELECT x.indkey::pg_catalog.text FROM pg_catalog.pg_index AS x WHERE x.indexrelid = b.oid))
      AND CASE WHEN a.indnkeyatts = b.indnkeyatts THEN a.key = b.key AND a.class = b.class AND a.collation = b.collation
                    AND a.option = b.option AND a.expressions IS NOT DISTINCT FROM b.expressions
               ELSE a.indnkeyatts < b.indnkeyatts AND a.expressions IS NULL
                    -- Only a B-tree is searched by its first columns as well as one that has no more of them.
                    AND a.relam = (SELECT m.oid FROM pg_catalog.pg_am AS m WHERE m.amname = 'btree')
                    AND b.key[1:a.indnkeyatts] = a.key AND b.class[1:a.indnkeyatts] = a.class
                    AND b.collation[1:a.indnkeyatts] = a.collation AND b.option[1:a.indnkeyatts] = a.option END
      -- One of all rows would serve as well, and is larger: somebody may have meant that.
      AND b.condition IS NOT DISTINCT FROM a.condition
      AND (NOT a.indisunique OR b.indisunique AND a.indnkeyatts = b.indnkeyatts
           AND a.nulls_are_equal IS NOT DISTINCT FROM b.nulls_are_equal)
      -- Of two that cover each other one stays.
      AND (a.indnatts < b.indnatts OR b.is_needed OR b.indisunique AND NOT a.indisunique OR a.oid > b.oid)
    ORDER BY a.oid, b.is_needed DESC, b.indnatts, b.oid
), seen AS MATERIALIZED (
    SELECT i.*, v.by_name, v.is_same, pg_catalog.pg_stat_get_numscans(i.oid) AS scans,
           CASE WHEN i.relkind = 'i' THEN i.relpages::pg_catalog.int8 * (SELECT block FROM here) END AS known_bytes,
           -- A foreign key of the table itself, whose columns the index begins with: deletes in the other table need it.
           EXISTS (
               SELECT FROM pg_catalog.pg_constraint AS f
               WHERE f.contype = 'f' AND f.conrelid = i.indrelid AND f.conkey <@ i.key
                 AND i.key[1:pg_catalog.cardinality(f.conkey)] @> f.conkey
           ) AS serves_foreign_key,
           EXISTS (SELECT FROM locked AS l WHERE l.relation IN (i.oid, i.indrelid)) AS is_locked,
           EXISTS (
               SELECT FROM pg_catalog.pg_locks AS l
               WHERE l.locktype = 'relation' AND l.relation = i.oid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
                 AND l.database = (SELECT oid FROM here)
               UNION ALL
               SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
               WHERE p.datid = (SELECT oid FROM here) AND p.index_relid = i.oid
           ) AS is_worked_on
    FROM indexes AS i
    LEFT JOIN covered AS v ON v.oid = i.oid
), judged AS MATERIALIZED (
    SELECT s.*,
           NOT s.indisvalid AND s.relkind = 'i' AND NOT s.is_worked_on AS is_invalid,
           s.scans = 0 AND s.relkind = 'i' AND NOT s.relispartition AND s.indisvalid AND NOT s.indisunique AND NOT s.is_needed
               AND NOT s.serves_foreign_key AS is_unused
    FROM seen AS s
), chosen AS MATERIALIZED (
    SELECT j.*
    FROM judged AS j
    WHERE EXISTS (SELECT FROM named) OR j.is_invalid OR j.by_name IS NOT NULL OR j.is_unused
    ORDER BY j.is_invalid DESC, j.by_name IS NULL, j.known_bytes DESC NULLS LAST, j.oid
    LIMIT {limit}
)
SELECT h.counted AS counted_seconds,
       (SELECT pg_catalog.count(*) FROM tables) AS tables_count,
       (SELECT pg_catalog.count(*) FROM judged) AS indexes_count,
       (SELECT pg_catalog.count(*) FROM judged AS j WHERE j.is_invalid OR j.by_name IS NOT NULL OR j.is_unused) AS standing_out,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS standbys,
       pg_catalog.quote_ident(c.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS index_name,
       pg_catalog.quote_ident(c.table_schema) || '.' || pg_catalog.quote_ident(c.table_name) AS table_name,
       CASE WHEN c.is_locked THEN NULL ELSE pg_catalog.pg_get_indexdef(c.oid) END AS definition,
       CASE WHEN c.relkind <> 'i' THEN NULL WHEN c.is_locked THEN c.known_bytes ELSE pg_catalog.pg_relation_size(c.oid) END AS bytes,
       c.is_locked, c.scans,
       pg_catalog.to_char((pg_catalog.to_jsonb(u) ->> 'last_idx_scan')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
           AS last_scan,
       c.indisunique AS is_unique, c.indisprimary AS is_primary, c.indisvalid AS is_valid, c.is_invalid, c.is_worked_on, c.is_unused,
       c.conname AS constraint_name, c.by_name AS covered_by, c.is_same, c.serves_foreign_key,
       c.relkind = 'I' AS is_partitioned, c.relispartition AS is_of_partition,
       -- Invalid ones of constraints, and those of partitions, are not dropped by themselves.
       CASE WHEN c.is_needed OR c.relispartition THEN NULL
            WHEN c.is_invalid OR c.by_name IS NOT NULL OR c.is_unused THEN
                pg_catalog.format('DROP INDEX %s%I.%I', CASE WHEN c.relkind = 'i' THEN 'CONCURRENTLY ' END, c.nspname, c.relname)
       END AS drop_index
FROM here AS h
LEFT JOIN chosen AS c ON true
LEFT JOIN pg_catalog.pg_stat_all_indexes AS u ON u.indexrelid = c.oid
ORDER BY c.is_invalid DESC, c.by_name IS NULL, bytes DESC NULLS LAST, index_name
LIMIT {limit}
