-- Indexes that no query uses because they are not valid. A partitioned index is not one: it is invalid until each partition has
-- its part. One that is built, rebuilt or dropped CONCURRENTLY at this moment is not one either: a drop and a rebuild hold a lock
-- on the index itself, a build is told by its progress. To a role that may not see whose progress it is, the progress tells no
-- more than the session, which holds a lock on the table then.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS index_name,
       pg_catalog.format('%I.%I', tn.nspname, t.relname) AS table_name,
       c.relname ~ '_cc(new|old)[0-9]*$' AS is_left_over,
       i.indisready AS is_kept,
       i.indisunique AS is_unique,
       c.relpages::pg_catalog.int8 * pg_catalog.current_setting('block_size')::pg_catalog.int8 AS bytes,
       EXISTS (
           SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
           JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid AND l.database = p.datid AND l.relation = i.indrelid
               AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
           WHERE p.relid IS NULL
       ) AS may_be_under_way
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i' AND c.relpersistence <> 't'
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
WHERE NOT i.indisvalid
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'relation' AND l.relation = i.indexrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  )
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
      WHERE p.datname = pg_catalog.current_database() AND p.index_relid = i.indexrelid
  )
ORDER BY c.relpages DESC, 1
LIMIT 1000
