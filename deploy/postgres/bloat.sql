-- What of this database takes much more room than its rows need, and what to do about it. It changes nothing. Once a week, in a quiet
-- hour, by a role that may run pgstattuple's functions (a superuser, or a member of pg_stat_scan_tables):
--
--   psql -X -f bloat.sql postgresql://postgres@db/fleet
--
-- Thresholds and what they mean: docs/guides/maintenance.md. Smaller relations are not worth the work; psql's variables
-- index_bytes and table_bytes say otherwise.

\set QUIET on
\if :{?index_bytes} \else \set index_bytes 10000000 \endif
\if :{?table_bytes} \else \set table_bytes 100000000 \endif
CREATE EXTENSION IF NOT EXISTS pgstattuple;

WITH indexes AS (
    SELECT relation.oid, relation.oid::regclass AS name, pg_relation_size(relation.oid) AS bytes
    FROM pg_class AS relation JOIN pg_am AS method ON method.oid = relation.relam
    JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
    WHERE relation.relkind = 'i' AND method.amname = 'btree' AND relation.relpersistence = 'p'
      AND schema.nspname !~ '^pg_' AND schema.nspname <> 'information_schema'
), measured AS (
    SELECT indexes.*, found.avg_leaf_density AS used, found.leaf_fragmentation AS fragmented
    FROM indexes CROSS JOIN LATERAL pgstatindex(indexes.oid::regclass) AS found
    WHERE indexes.bytes >= :index_bytes
), tables AS (
    SELECT relation.oid, relation.oid::regclass AS name, pg_relation_size(relation.oid) AS bytes
    FROM pg_class AS relation JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
    WHERE relation.relkind IN ('r', 'm') AND relation.relpersistence = 'p'
      AND schema.nspname !~ '^pg_' AND schema.nspname <> 'information_schema'
), wasted AS (
    SELECT tables.*, found.dead_tuple_percent + found.approx_free_percent AS percent
    FROM tables CROSS JOIN LATERAL pgstattuple_approx(tables.oid::regclass) AS found
    WHERE tables.bytes >= :table_bytes
)
SELECT 'index' AS kind, name, pg_size_pretty(bytes) AS size, round(used) || ' % of its leaves in use' AS found,
       'REINDEX INDEX CONCURRENTLY ' || name || ';' AS proposal
FROM measured WHERE used < 50 OR fragmented > 40
UNION ALL
SELECT 'table', name, pg_size_pretty(bytes), round(percent) || ' % dead or free',
       'VACUUM (FULL) ' || name || ';  -- locks it: or pg_repack'
FROM wasted WHERE percent > 40
ORDER BY 1, 2;
