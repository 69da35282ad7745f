-- Constraints that the rows from before were never held against. What a partition or a child has from its parent is left out, as the
-- parent's statement validates it too; so is what is NOT ENFORCED (since PostgreSQL 18), which no statement validates. The kind of a
-- constraint of a domain is told by the domain.
SELECT k.conname AS constraint_name,
       CASE WHEN k.contypid <> 0 THEN 'DOMAIN ' || pg_catalog.format('%I.%I', yn.nspname, y.typname)
            ELSE 'TABLE ' || pg_catalog.format('%I.%I', n.nspname, t.relname) END AS owner,
       pg_catalog.quote_ident(k.conname) AS quoted_name,
       CASE k.contype WHEN 'f' THEN 'foreign key' WHEN 'n' THEN 'NOT NULL' ELSE 'check' END AS kind,
       k.contype = 'f' AS is_foreign_key
FROM pg_catalog.pg_constraint AS k
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_type AS y ON y.oid = k.contypid
LEFT JOIN pg_catalog.pg_namespace AS yn ON yn.oid = y.typnamespace
WHERE NOT k.convalidated AND k.contype IN ('c', 'f', 'n') AND k.conparentid = 0 AND (k.conislocal OR k.contypid <> 0)
  AND pg_catalog.to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
  AND COALESCE(t.relpersistence, 'p') <> 't'
ORDER BY t.relpages DESC NULLS LAST, 2, 1
LIMIT 1000
