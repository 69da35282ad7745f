-- Columns that look like foreign keys and are none: named like a table with _id behind it (in the singular or as the table is named),
-- of the type of that table's primary key, and in no foreign key. A table in the same schema comes before one in another, which
-- counts only if it is the only one of its name. At most {limit} rows. Names are all that speaks for it, so it is a hint.
--
-- A foreign key of a partitioned table cannot be added NOT VALID before PostgreSQL 18.
SET LOCAL enable_nestloop = off; SET LOCAL jit = off;
WITH tables AS MATERIALIZED (
    SELECT c.oid, c.relnamespace, c.relkind, pg_catalog.lower(c.relname) AS name, c.relname,
           pg_catalog.format('%I.%I', n.nspname, c.relname) AS table_name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
), keys AS MATERIALIZED (
    SELECT t.oid, t.relnamespace, t.name, t.table_name, a.attnum, a.attname, a.atttypid
    FROM tables AS t
    JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisprimary AND i.indisvalid AND i.indnkeyatts = 1
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
), names AS MATERIALIZED (
    SELECT k.*, forms.name AS form
    FROM keys AS k
    CROSS JOIN LATERAL (
        SELECT k.name
        UNION SELECT pg_catalog.left(k.name, -1) WHERE k.name ~ 's$'
        UNION SELECT pg_catalog.left(k.name, -2) WHERE k.name ~ '(s|x|z|ch|sh)es$'
        UNION SELECT pg_catalog.left(k.name, -3) || 'y' WHERE k.name ~ 'ies$'
    ) AS forms (name)
), columns AS MATERIALIZED (
    SELECT t.oid, t.relnamespace, t.relkind, t.relname, t.table_name, a.attnum, a.attname, a.atttypid,
           pg_catalog.lower(pg_catalog.left(a.attname, -3)) AS form
    FROM tables AS t
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname ~* '._id$'
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_constraint AS k
          WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)
      )
), pairs AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relname, c.table_name, c.attnum, c.attname,
           n.table_name AS other_name, n.attname AS other_column, n.relnamespace = c.relnamespace AS is_near,
           pg_catalog.bool_or(n.relnamespace = c.relnamespace) OVER same AS has_near,
           pg_catalog.count(*) OVER same AS found
    FROM columns AS c
    JOIN names AS n ON n.form = c.form
    WHERE (c.atttypid = n.atttypid OR c.atttypid IN (20, 21, 23) AND n.atttypid IN (20, 21, 23))
      AND NOT (c.oid = n.oid AND c.attnum = n.attnum)
    WINDOW same AS (PARTITION BY c.oid, c.attnum)
)
SELECT p.table_name, p.attname AS column_name, pg_catalog.format('%s (%I)', p.other_name, p.other_column) AS refers_to,
       EXISTS (
           SELECT FROM pg_catalog.pg_index AS i
           WHERE i.indrelid = p.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = p.attnum
       ) AS is_indexed,
       pg_catalog.format(
           'ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s (%I)%s', p.table_name, name.text, p.attname,
           p.other_name, p.other_column, CASE WHEN p.relkind = 'r' THEN ' NOT VALID' END) AS add_key,
       CASE WHEN p.relkind = 'r' THEN pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', p.table_name, name.text) END
           AS validate_key,
       pg_catalog.format(
           'SELECT ctid, * FROM %s AS c WHERE c.%I IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS p WHERE p.%I = c.%I)',
           p.table_name, p.attname, p.other_name, p.other_column, p.attname) AS find_orphans
FROM pairs AS p
CROSS JOIN LATERAL (SELECT pg_catalog.left(p.relname || '_' || p.attname, 58) || '_fkey' AS text) AS name
WHERE p.is_near OR NOT p.has_near AND p.found = 1
ORDER BY p.table_name, p.attnum, p.other_name
LIMIT {limit}
