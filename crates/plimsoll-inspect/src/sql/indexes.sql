-- The indexes of one table, or the worst of the database, and always a row that says what is known beside them.
--
-- plimsoll.indexes_most says how many rows there are at most (1,000 unless it is set). Where the comment "tables" stands the program
-- puts the tables that are meant: pairs of a schema ('' for each) and a table, each pair behind a comma. Of all tables only what stands
-- out is listed: not valid, covered by another one, or never used since the counters began.
--
-- An index is covered by another one of its table that begins with the same columns in the same order and form, under the same
-- condition; a unique one only by another unique one with exactly these columns. Of two equal ones the one that belongs to a constraint
-- stays, else the older one. The one that is named as covering is never covered itself, so that all that are covered can go at once. What
-- is in an expression or a condition is compared as it is stored, without the places in the text that it was read from; that opens no
-- table. What replication, CLUSTER or a constraint goes by is not covered; what is an index of a partition goes with that of its table.
--
-- Sizes are measured, which opens the index, unless somebody has locked it or its table; then they are as of the last vacuum.
SET LOCAL enable_nestloop = off; SET LOCAL jit = off;
WITH named AS MATERIALIZED (
    SELECT schema_name, table_name FROM (VALUES ('', '')/* tables */) AS v (schema_name, table_name) WHERE table_name <> ''
), here AS MATERIALIZED (
    SELECT d.oid, COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.indexes_most', true), ''), '1000')::int AS most,
           pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block,
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
           c.relname, c.relkind, c.relam, c.reltablespace, c.relpages, c.relispartition, n.nspname, t.nspname AS table_schema, t.relname AS table_name,
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
), pairs AS MATERIALIZED (
    SELECT a.oid, b.oid AS by_oid, pg_catalog.format('%I.%I', b.nspname, b.relname) AS by_name,
           a.indnatts = b.indnatts AND a.indnkeyatts = b.indnkeyatts AS is_same, b.is_needed AS by_needed, b.indnatts AS by_columns
    FROM indexes AS a
    JOIN indexes AS b ON b.indrelid = a.indrelid AND b.relam = a.relam AND b.oid <> a.oid
    WHERE NOT a.is_needed AND b.indisvalid AND (a.indisvalid OR a.relkind = 'i') AND NOT a.relispartition
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
      AND (a.indnatts < b.indnatts OR b.is_needed OR NOT a.indisvalid OR b.indisunique AND NOT a.indisunique
           OR a.oid > b.oid)
), covered AS MATERIALIZED (
    -- Who covers the one that covers, covers both: so there is always one that is not covered itself.
    SELECT DISTINCT ON (p.oid) p.oid, p.by_name, p.is_same
    FROM pairs AS p
    WHERE p.by_oid NOT IN (SELECT c.oid FROM pairs AS c)
    ORDER BY p.oid, p.by_needed DESC, p.by_columns, p.by_oid
), seen AS MATERIALIZED (
    SELECT i.*, v.by_name AS cover_name, v.is_same, pg_catalog.pg_stat_get_numscans(i.oid) AS scans,
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
           ) AS is_worked_on,
           -- To a role that may not see whose progress it is, it tells no more than the session, which holds a lock on the table then.
           NOT i.indisvalid AND EXISTS (
               SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
               JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock'
                   AND l.granted AND l.database = (SELECT oid FROM here)
               WHERE p.relid IS NULL
           ) AS may_be_under_way
    FROM indexes AS i
    LEFT JOIN covered AS v ON v.oid = i.oid
), judged AS MATERIALIZED (
    SELECT s.*,
           CASE WHEN NOT s.is_worked_on AND NOT s.may_be_under_way THEN s.cover_name END AS by_name,
           NOT s.indisvalid AND s.relkind = 'i' AND NOT s.is_worked_on AND NOT s.may_be_under_way AS is_invalid,
           s.scans = 0 AND s.relkind = 'i' AND NOT s.relispartition AND s.indisvalid AND NOT s.indisunique AND NOT s.is_needed
               AND NOT s.serves_foreign_key AS is_unused
    FROM seen AS s
), chosen AS MATERIALIZED (
    SELECT j.*
    FROM judged AS j
    WHERE EXISTS (SELECT FROM named) OR j.is_invalid OR j.by_name IS NOT NULL OR j.is_unused
    ORDER BY j.is_invalid DESC, j.by_name IS NULL, j.known_bytes DESC NULLS LAST, j.oid
    LIMIT (SELECT most FROM here)
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
       c.indisunique AS is_unique, c.indisprimary AS is_primary, c.indisvalid AS is_valid, c.is_invalid, c.is_worked_on, c.may_be_under_way, c.is_unused,
       c.relname ~ '_cc(new|old)[0-9]*$' AS is_left_over, ts.spcname AS tablespace,
       -- Where the table is locked, an expression or a condition cannot be read.
       CASE WHEN c.is_invalid AND c.indisunique AND NOT (c.is_locked AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)) THEN (
           SELECT pg_catalog.format(
                      'SELECT %1$s, pg_catalog.count(*) FROM %2$I.%3$I%4$s GROUP BY %1$s HAVING pg_catalog.count(*) > 1',
                      pg_catalog.string_agg(k.part, ', ' ORDER BY k.place), c.table_schema, c.table_name,
                      ' WHERE ' || NULLIF(pg_catalog.concat_ws(' AND ',
                          pg_catalog.pg_get_expr(x.indpred, x.indrelid),
                          CASE WHEN pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct' IS DISTINCT FROM 'true'
                               THEN pg_catalog.string_agg(k.part || ' IS NOT NULL', ' AND ' ORDER BY k.place) END), ''))
           FROM (
               SELECT u.place, CASE WHEN u.number = 0 THEN '(' || pg_catalog.pg_get_indexdef(x.indexrelid, u.place::int, true) || ')'
                                    ELSE pg_catalog.quote_ident(a.attname) END AS part
               FROM pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY AS u (number, place)
               LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = u.number
               WHERE u.place <= x.indnkeyatts
           ) AS k
       ) END AS equal_rows,
       c.conname AS constraint_name, c.by_name AS covered_by, c.is_same, c.serves_foreign_key,
       c.relkind = 'I' AS is_partitioned, c.relispartition AS is_of_partition,
       -- Those of constraints, and those of partitions, are not dropped by themselves.
       NOT c.is_needed AND NOT c.relispartition AS may_be_dropped
FROM here AS h
LEFT JOIN chosen AS c ON true
LEFT JOIN pg_catalog.pg_stat_all_indexes AS u ON u.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = c.reltablespace
ORDER BY c.is_invalid DESC, c.by_name IS NULL, bytes DESC NULLS LAST, index_name
LIMIT (SELECT most FROM here)
