-- Transactions that were prepared and neither committed nor rolled back, the oldest first, each with the tables of this database that
-- it keeps locked. The view pg_prepared_xacts would wait for whatever locks pg_authid, so this calls the function beneath it.
WITH locks AS MATERIALIZED (
    -- No session has them; the one of its own number tells which are of the same transaction.
    SELECT locktype, mode, relation, database, transactionid, virtualtransaction FROM pg_catalog.pg_locks
    WHERE pid IS NULL AND granted
)
SELECT p.gid AS prepared_gid,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - p.prepared) AS prepared_seconds,
       pg_catalog.to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS prepared_at,
       pg_catalog.pg_get_userbyid(p.ownerid) AS owner,
       d.datname AS database,
       d.datname = pg_catalog.current_database() AS is_of_this_database,
       (
           SELECT pg_catalog.string_agg(l.mode || ' on ' || pg_catalog.format('%I.%I', n.nspname, c.relname), ', ' ORDER BY c.relname, l.mode)
           FROM (
               SELECT DISTINCT k.relation, k.mode
               FROM locks AS own
               JOIN locks AS k ON k.virtualtransaction = own.virtualtransaction AND k.locktype = 'relation' AND k.database = d.oid
                   AND k.mode <> 'AccessShareLock'
               WHERE own.locktype = 'transactionid' AND own.transactionid = p.transaction
               LIMIT 5
           ) AS l
           JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND d.datname = pg_catalog.current_database() AND c.relkind <> 'i'
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       ) AS locks_held
FROM pg_catalog.pg_prepared_xact() AS p
JOIN pg_catalog.pg_database AS d ON d.oid = p.dbid
ORDER BY p.prepared, p.gid
LIMIT 200
