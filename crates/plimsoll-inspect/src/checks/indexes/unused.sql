-- Indexes that no scan has used since the statistics were begun, of those that nothing else needs: no key, no constraint, no
-- foreign key of the table, not what replication or CLUSTER goes by. The statistics of a partitioned index are those of its
-- partitions, which cannot be dropped one by one. After a crash, statistics begin anew, and in PostgreSQL 15 and later only
-- those of the whole server tell when that was; so the later of the two times counts. There is always a row.
WITH RECURSIVE spare AS MATERIALIZED (
    SELECT i.indexrelid, i.indrelid, i.indexprs IS NOT NULL AS is_of_expression
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND NOT c.relispartition AND c.relpersistence <> 't'
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    WHERE i.indisvalid
      AND NOT i.indisunique AND NOT i.indisprimary AND NOT i.indisexclusion AND NOT i.indisreplident AND NOT i.indisclustered
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_constraint AS k
          WHERE k.conrelid = i.indrelid
            AND (k.conindid = i.indexrelid OR k.contype = 'f'
                 AND (i.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(k.conkey) - 1] @> k.conkey)
      )
), tree AS (
    SELECT s.*, s.indexrelid AS part FROM spare AS s
    UNION ALL
    SELECT t.indexrelid, t.indrelid, t.is_of_expression, h.inhrelid
    FROM tree AS t JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.part
), unused AS MATERIALIZED (
    SELECT t.indexrelid, t.indrelid, t.is_of_expression,
           pg_catalog.sum(c.relpages::pg_catalog.int8) * pg_catalog.current_setting('block_size')::pg_catalog.int8 AS bytes
    FROM tree AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.part
    GROUP BY t.indexrelid, t.indrelid, t.is_of_expression
    HAVING pg_catalog.sum(pg_catalog.pg_stat_get_numscans(t.part)) = 0
    ORDER BY bytes DESC, t.indexrelid
    LIMIT 1000
), locked AS MATERIALIZED (
    SELECT l.relation FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
), since AS (
    SELECT EXTRACT(epoch FROM pg_catalog.now() - GREATEST(d.stats_reset, a.stats_reset)) AS seconds
    FROM pg_catalog.pg_stat_database AS d CROSS JOIN pg_catalog.pg_stat_archiver AS a
    WHERE d.datname = pg_catalog.current_database()
)
SELECT s.seconds AS statistics_seconds,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS standbys,
       CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END AS unused_index,
       u.indrelid::pg_catalog.regclass AS table_name,
       u.bytes, u.is_of_expression,
       c.relkind = 'I' AS is_partitioned,
       -- Of a table that is locked it cannot be read without waiting.
       CASE WHEN NOT EXISTS (SELECT FROM locked AS l WHERE l.relation IN (u.indexrelid, u.indrelid))
            THEN pg_catalog.pg_get_indexdef(u.indexrelid) END AS definition,
       ts.spcname AS tablespace
FROM since AS s
LEFT JOIN unused AS u ON true
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = u.indexrelid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = c.reltablespace
ORDER BY u.bytes DESC, unused_index
LIMIT 1000
