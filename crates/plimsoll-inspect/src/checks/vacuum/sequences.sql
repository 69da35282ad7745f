-- How far sequences have come, and what they fill: the column that owns them, or whose default they are. Where a sequence stands can
-- be read only by opening it, which takes a lock that nothing but ALTER SEQUENCE waits for; so only those are read that can run out
-- (a bigint does not in practice), of the busiest tables, and at most 500. One that begins anew does not run out.
WITH columns AS (
    SELECT d.objid AS seq, d.refobjid AS rel, d.refobjsubid AS num
    FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
), limited AS MATERIALIZED (
    SELECT s.seqrelid, s.seqtypid, s.seqincrement, s.seqmin, s.seqmax, c.relname, c.relnamespace, c.relpersistence,
           t.oid AS rel, t.reltuples, a.attname, a.atttypid,
           CASE a.atttypid WHEN 'pg_catalog.int2'::pg_catalog.regtype THEN 32767 WHEN 'pg_catalog.int4'::pg_catalog.regtype THEN 2147483647
                ELSE 9223372036854775807 END AS fits
    FROM pg_catalog.pg_sequence AS s
    JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
    LEFT JOIN columns AS o ON o.seq = s.seqrelid
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = o.rel
    -- Looked up one by one (that is what OFFSET 0 is for), since a database has many more columns than sequences.
    LEFT JOIN LATERAL (
        SELECT b.attname, b.atttypid FROM pg_catalog.pg_attribute AS b WHERE b.attrelid = o.rel AND b.attnum = o.num OFFSET 0
    ) AS a ON true
    WHERE NOT s.seqcycle AND c.relpersistence <> 't'
      AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
), busiest AS MATERIALIZED (
    SELECT l.*, LEAST(l.seqmax, l.fits) AS most,
           GREATEST(l.reltuples, pg_catalog.pg_stat_get_tuples_inserted(l.rel)) AS busy
    FROM limited AS l
    WHERE CASE WHEN l.seqincrement > 0 THEN LEAST(l.seqmax, l.fits) ELSE -l.seqmin END < 1000000000000000
    ORDER BY busy DESC NULLS LAST, l.seqrelid
    LIMIT 500
), read AS MATERIALIZED (
    SELECT b.*, CASE WHEN pg_catalog.has_sequence_privilege(b.seqrelid, 'USAGE, SELECT') THEN
                    COALESCE(pg_catalog.pg_sequence_last_value(b.seqrelid), CASE WHEN b.seqincrement > 0 THEN b.seqmin ELSE b.seqmax END)
                END AS last
    FROM busiest AS b
), far AS MATERIALIZED (
    SELECT r.*, CASE WHEN r.seqincrement > 0 THEN (r.last - r.seqmin)::float8 / NULLIF((r.most - r.seqmin)::float8, 0)
                     ELSE (r.seqmax - r.last)::float8 / NULLIF((r.seqmax - r.seqmin)::float8, 0) END * 100 AS used
    FROM read AS r
), locked AS MATERIALIZED (
    SELECT relation FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
)
SELECT pg_catalog.format('%I.%I', n.nspname, r.relname) AS sequence_name,
       pg_catalog.format_type(r.seqtypid, NULL) AS sequence_type,
       r.seqincrement AS increment, r.seqmin, r.seqmax, r.last, r.used,
       CASE WHEN r.rel IS NOT NULL THEN pg_catalog.format('%I.%I', tn.nspname, t.relname) END AS table_name,
       pg_catalog.quote_ident(r.attname) AS column_name,
       pg_catalog.format_type(r.atttypid, NULL) AS column_type,
       r.fits < r.seqmax AS ends_by_column,
       -- How long the table would be locked to be widened; not of one that is locked, since reading its size would wait.
       CASE WHEN r.used > 10 AND t.relkind = 'r' AND r.rel NOT IN (SELECT relation FROM locked WHERE relation IS NOT NULL)
            THEN pg_catalog.pg_relation_size(r.rel) END AS bytes
FROM far AS r
JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = r.rel
LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
ORDER BY r.used DESC NULLS FIRST
LIMIT 500
