-- The largest tables of this database with their sizes in bytes: at most {limit} rows, the largest first. Before them, in the same
-- answer, one row says what was looked at.
--
-- A size is asked of the file system, and to do so the server opens the relation: it takes a lock that waits for ACCESS EXCLUSIVE.
-- So the pages that the catalog knows (as of the last vacuum or analyze), and the counters of rows where the catalog knows none,
-- choose who may be among the largest: twice as many as are asked for and a hundred more. Only those are opened, at most 2,000
-- relations of them, and none that somebody has locked or is about to lock. {exact} is false where nothing may be opened at all.
--
-- Partitions count for the table that they are parts of, if {by_root} is true.
-- Catalogs that were never analyzed make the planner take them for small, and go through 10,000 tables 10,000 times.
SET LOCAL enable_nestloop = off; SET LOCAL jit = off;
WITH here AS MATERIALIZED (
    SELECT d.oid, pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block
    FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
), locked AS MATERIALIZED (
    SELECT DISTINCT l.relation FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.database = (SELECT oid FROM here)
      AND l.pid <> pg_catalog.pg_backend_pid()
), tables AS MATERIALIZED (
    SELECT c.oid, c.relnamespace, c.reltoastrelid,
           CASE WHEN {by_root} AND c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid ELSE c.oid END AS root,
           CASE WHEN c.relpages > 0 THEN c.relpages::pg_catalog.int8
                -- No vacuum and no analyze yet: rows of a hundred bytes are as good a guess as any other.
                ELSE (pg_catalog.pg_stat_get_live_tuples(c.oid) + pg_catalog.pg_stat_get_dead_tuples(c.oid)) * 100
                     / (SELECT block FROM here) END AS pages,
           GREATEST(c.reltuples, 0)::pg_catalog.float8 AS tuples
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    WHERE c.relkind IN ('r', 'm')
), index_pages AS MATERIALIZED (
    SELECT i.indrelid, pg_catalog.sum(c.relpages)::pg_catalog.int8 AS pages,
           pg_catalog.bool_or(l.relation IS NOT NULL) AS is_locked, pg_catalog.count(*) AS count
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN locked AS l ON l.relation = i.indexrelid
    GROUP BY i.indrelid
), known AS MATERIALIZED (
    SELECT t.oid, t.root, t.reltoastrelid, t.tuples, t.pages AS data_pages,
           COALESCE(x.pages, 0) AS index_pages,
           COALESCE(toast.relpages, 0)::pg_catalog.int8 + COALESCE(toast_index.pages, 0) AS toast_pages,
           1 + COALESCE(x.count, 0) + CASE WHEN t.reltoastrelid = 0 THEN 0 ELSE 2 END AS relations,
           l.relation IS NOT NULL OR toast_locked.relation IS NOT NULL
               OR COALESCE(x.is_locked, false) OR COALESCE(toast_index.is_locked, false) AS is_locked
    FROM tables AS t
    LEFT JOIN index_pages AS x ON x.indrelid = t.oid
    LEFT JOIN pg_catalog.pg_class AS toast ON toast.oid = t.reltoastrelid
    LEFT JOIN index_pages AS toast_index ON toast_index.indrelid = t.reltoastrelid AND t.reltoastrelid <> 0
    LEFT JOIN locked AS l ON l.relation = t.oid
    LEFT JOIN locked AS toast_locked ON toast_locked.relation = t.reltoastrelid
), roots AS MATERIALIZED (
    SELECT k.root
    FROM known AS k
    GROUP BY k.root
    ORDER BY pg_catalog.sum(k.data_pages + k.index_pages + k.toast_pages) DESC, k.root
    LIMIT {limit} * 2 + 100
), chosen AS MATERIALIZED (
    SELECT k.*,
           {exact} AND NOT k.is_locked
           AND pg_catalog.sum(k.relations) OVER (
               ORDER BY k.data_pages + k.index_pages + k.toast_pages DESC, k.oid) <= 2000 AS may_be_opened
    FROM known AS k JOIN roots AS r ON r.root = k.root
), measured AS MATERIALIZED (
    SELECT c.root, c.tuples, c.is_locked, c.may_be_opened,
           CASE WHEN c.may_be_opened THEN pg_catalog.pg_relation_size(c.oid, 'main') + pg_catalog.pg_relation_size(c.oid, 'fsm')
                     + pg_catalog.pg_relation_size(c.oid, 'vm') + pg_catalog.pg_relation_size(c.oid, 'init')
                ELSE c.data_pages * h.block END AS data,
           CASE WHEN c.may_be_opened THEN pg_catalog.pg_indexes_size(c.oid) ELSE c.index_pages * h.block END AS indexes,
           CASE WHEN c.reltoastrelid = 0 THEN 0
                WHEN c.may_be_opened THEN pg_catalog.pg_total_relation_size(c.reltoastrelid)
                ELSE c.toast_pages * h.block END AS toast
    FROM chosen AS c CROSS JOIN here AS h
), summed AS (
    SELECT m.root, pg_catalog.count(*) AS parts, pg_catalog.sum(m.tuples) AS tuples,
           -- A relation that was dropped in the meantime has no size.
           pg_catalog.sum(COALESCE(m.data, 0)) AS data,
           pg_catalog.sum(COALESCE(m.indexes, 0)) AS indexes,
           pg_catalog.sum(COALESCE(m.toast, 0)) AS toast,
           pg_catalog.bool_or(m.is_locked) AS is_locked,
           pg_catalog.bool_or(NOT m.may_be_opened) AS is_estimated
    FROM measured AS m
    GROUP BY m.root
)
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS table_name, c.relkind = 'p' AS is_partitioned,
       CASE WHEN c.relkind = 'p' THEN s.parts END AS parts, s.tuples::pg_catalog.int8 AS tuples,
       s.data::pg_catalog.int8 AS data_bytes, s.indexes::pg_catalog.int8 AS index_bytes, s.toast::pg_catalog.int8 AS toast_bytes,
       s.is_locked, s.is_estimated,
       (SELECT pg_catalog.count(*) FROM tables) AS tables_count
FROM (SELECT) AS one
LEFT JOIN summed AS s ON true
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = s.root
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY s.data + s.indexes + s.toast DESC NULLS LAST, 1
LIMIT {limit}
