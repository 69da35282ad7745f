-- Indexes that no query uses because they are not valid. A partitioned index is not one: it is invalid until each partition has
-- its part. One that is built, rebuilt or dropped CONCURRENTLY at this moment is not one either: a drop and a rebuild hold a lock
-- on the index itself, a build is told by its progress. To a role that may not see whose progress it is, the progress tells no
-- more than the session, which holds a lock on the table then.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS invalid_index,
       pg_catalog.format('%I.%I', tn.nspname, t.relname) AS table_name,
       c.relname ~ '_cc(new|old)[0-9]*$' AS is_left_over,
       i.indisready AS is_kept,
       i.indisunique AS is_unique,
       -- Where the table is locked, an expression or a condition cannot be read.
       CASE WHEN i.indisunique AND NOT (EXISTS (
           SELECT FROM pg_catalog.pg_locks AS l
           WHERE l.locktype = 'relation' AND l.relation IN (i.indrelid, i.indexrelid) AND l.mode = 'AccessExclusiveLock'
             AND l.pid <> pg_catalog.pg_backend_pid()
       ) AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) THEN (
           SELECT pg_catalog.format(
                      'SELECT %1$s, pg_catalog.count(*) FROM %2$I.%3$I%4$s GROUP BY %1$s HAVING pg_catalog.count(*) > 1',
                      pg_catalog.string_agg(k.part, ', ' ORDER BY k.place), tn.nspname, t.relname,
                      ' WHERE ' || NULLIF(pg_catalog.concat_ws(' AND ',
                          pg_catalog.pg_get_expr(i.indpred, i.indrelid),
                          CASE WHEN pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' IS DISTINCT FROM 'true'
                               THEN pg_catalog.string_agg(k.part || ' IS NOT NULL', ' AND ' ORDER BY k.place) END), ''))
           FROM (
               SELECT u.place, CASE WHEN u.number = 0 THEN '(' || pg_catalog.pg_get_indexdef(i.indexrelid, u.place::int, true) || ')'
                                    ELSE pg_catalog.quote_ident(a.attname) END AS part
               FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS u (number, place)
               LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.number
               WHERE u.place <= i.indnkeyatts
           ) AS k
       ) END AS equal_rows,
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
