-- What the tables of this database promise of their rows, and for each promise the query that finds rows which break it. The
-- server writes those queries, since it knows how names are quoted and with which operators a key compares.
--
-- A foreign key is not asked for the partitions of a table one by one: the key of the partitioned table covers them. NULL in
-- a key of MATCH SIMPLE refers to nothing; MATCH FULL allows it in all columns or in none. num_nulls() stands where IS NULL
-- would do, because since version 17 the planner does not look at the rows of a column that is declared NOT NULL.
--
-- plimsoll.table_name may name the table that is meant, and plimsoll.schema_name its schema; its foreign keys may refer to others.
SET LOCAL statement_timeout = 5000;
SET LOCAL lock_timeout = 100;
SET LOCAL jit = off;
WITH locked AS MATERIALIZED (
    -- Writing an index or a condition as text waits for a session that has locked its table. Of those the kind and the name are told.
    SELECT DISTINCT l.relation FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
), tables AS (
    SELECT c.oid, EXISTS (SELECT FROM locked AS l WHERE l.relation = c.oid) AS is_locked, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
           CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || pg_catalog.format('%I.%I', n.nspname, c.relname) AS source
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN (
        SELECT COALESCE(pg_catalog.current_setting('plimsoll.schema_name', true), '') AS schema_name,
               COALESCE(pg_catalog.current_setting('plimsoll.table_name', true), '') AS table_name
    ) AS meant
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND meant.table_name IN ('', c.relname) AND meant.schema_name IN ('', n.nspname)
), key_columns AS (
    SELECT k.oid, x.place,
           pg_catalog.format('c.%I', here.attname) AS here,
           pg_catalog.format('p.%I OPERATOR(%I.%s) c.%I', there.attname, n.nspname, op.oprname, here.attname) AS equal
    FROM pg_catalog.pg_constraint AS k
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)
    ) WITH ORDINALITY AS x (here, there, compares, place)
    JOIN pg_catalog.pg_attribute AS here ON here.attrelid = k.conrelid AND here.attnum = x.here
    JOIN pg_catalog.pg_attribute AS there ON there.attrelid = k.confrelid AND there.attnum = x.there
    JOIN pg_catalog.pg_operator AS op ON op.oid = x.compares
    JOIN pg_catalog.pg_namespace AS n ON n.oid = op.oprnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0
), index_columns AS (
    SELECT i.indexrelid AS oid, x.place,
           CASE WHEN NOT EXISTS (SELECT FROM locked AS l WHERE l.relation IN (i.indexrelid, i.indrelid))
               THEN '(' || pg_catalog.pg_get_indexdef(i.indexrelid, x.place, true) || ')' END AS part
    FROM pg_catalog.pg_index AS i
    CROSS JOIN LATERAL pg_catalog.generate_series(1, i.indnkeyatts::integer) AS x (place)
    WHERE i.indisunique
), promises AS (
    SELECT 'foreign_key' AS kind, t.name AS table_name, k.conname AS name, k.convalidated AS is_validated,
           pg_catalog.pg_get_constraintdef(k.oid) AS definition,
           pg_catalog.format(
               'SELECT 1 FROM %s AS c WHERE (pg_catalog.num_nulls(%s) = 0 AND NOT EXISTS (SELECT FROM %s AS p WHERE %s))%s',
               t.source, columns.list, r.source, columns.equal,
               CASE WHEN k.confmatchtype = 'f' THEN pg_catalog.format(
                   ' OR pg_catalog.num_nulls(%s) NOT IN (0, %s)', columns.list, columns.count) END) AS look,
           NULL::pg_catalog.text AS keys, NULL::pg_catalog.text AS validates
    FROM pg_catalog.pg_constraint AS k
    JOIN tables AS t ON t.oid = k.conrelid
    JOIN LATERAL (
        SELECT CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || pg_catalog.format('%I.%I', n.nspname, c.relname) AS source
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = k.confrelid
    ) AS r ON true
    CROSS JOIN LATERAL (
        SELECT pg_catalog.count(*) AS count,
               pg_catalog.string_agg(x.here, ', ' ORDER BY x.place) AS list,
               pg_catalog.string_agg(x.equal, ' AND ' ORDER BY x.place) AS equal
        FROM key_columns AS x WHERE x.oid = k.oid
    ) AS columns
    WHERE k.contype = 'f' AND k.conparentid = 0
    UNION ALL
    SELECT 'unique', t.name, c.relname, i.indisvalid,
           CASE WHEN NOT (t.is_locked OR i.indexrelid IN (SELECT l.relation FROM locked AS l))
               THEN pg_catalog.pg_get_indexdef(i.indexrelid) END,
           CASE WHEN NOT (t.is_locked OR i.indexrelid IN (SELECT l.relation FROM locked AS l)) THEN pg_catalog.format(
               'SELECT 1 FROM %s WHERE (%s) AND %s GROUP BY %s HAVING pg_catalog.count(*) > 1',
               t.source,
               COALESCE(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true'),
               CASE WHEN pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' THEN 'true'
                    ELSE pg_catalog.format('pg_catalog.num_nulls(%s) = 0', columns.list) END,
               columns.list) END,
           -- What REINDEX CONCURRENTLY leaves behind where it fails is a second copy.
           columns.list, pg_catalog.format(
               CASE WHEN c.relname ~ '_cc(new|old)[0-9]*$' THEN 'DROP INDEX CONCURRENTLY %I.%I'
                    ELSE 'REINDEX INDEX CONCURRENTLY %I.%I' END, n.nspname, c.relname)
    FROM pg_catalog.pg_index AS i
    JOIN tables AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT pg_catalog.string_agg(x.part, ', ' ORDER BY x.place) AS list FROM index_columns AS x
        WHERE x.oid = i.indexrelid
    ) AS columns
    WHERE i.indisunique
    UNION ALL
    -- Since version 18 a column may be required of new rows only.
    SELECT 'required', t.name, a.attname,
           NOT EXISTS (
               SELECT FROM pg_catalog.pg_constraint AS k
               WHERE k.contype = 'n' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated
           ),
           pg_catalog.format('%I NOT NULL', a.attname),
           pg_catalog.format('SELECT 1 FROM %s AS c WHERE pg_catalog.num_nulls(c.%I) > 0', t.source, a.attname), NULL,
           (SELECT pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', t.name, k.conname) FROM pg_catalog.pg_constraint AS k
            WHERE k.contype = 'n' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated LIMIT 1)
    FROM pg_catalog.pg_attribute AS a
    JOIN tables AS t ON t.oid = a.attrelid
    WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'check', t.name, k.conname, k.convalidated,
           CASE WHEN NOT t.is_locked THEN pg_catalog.pg_get_constraintdef(k.oid) END,
           CASE WHEN NOT t.is_locked THEN
               pg_catalog.format('SELECT 1 FROM %s WHERE NOT (%s)', t.source, pg_catalog.pg_get_expr(k.conbin, k.conrelid)) END,
           NULL, NULL
    FROM pg_catalog.pg_constraint AS k
    JOIN tables AS t ON t.oid = k.conrelid
    WHERE k.contype = 'c'
)
SELECT kind, table_name, name, is_validated, definition, look, keys, validates
FROM promises
ORDER BY table_name, kind, name
LIMIT 10000
/* asked by plimsoll */
