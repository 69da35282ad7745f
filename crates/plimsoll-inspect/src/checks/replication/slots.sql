-- Replication slots, and how much of the log each keeps. A slot that PostgreSQL itself keeps in step on a standby is never active
-- there. Columns that only some versions have are read by name: since when a slot is inactive (17), and why it was given up (17).
SELECT s.slot_name, s.slot_type, s.active AS is_active, s.wal_status,
       s.restart_lsn IS NOT NULL OR s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL AS keeps_something,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END,
           s.restart_lsn) AS bytes,
       EXTRACT(epoch FROM pg_catalog.now() - (j.slot ->> 'inactive_since')::pg_catalog.timestamptz) AS inactive_seconds,
       COALESCE(NULLIF(j.slot ->> 'invalidation_reason', ''),
                CASE WHEN j.slot ->> 'conflicting' = 'true' THEN 'a conflict with recovery' END) AS given_up_for,
       pg_catalog.current_setting('max_slot_wal_keep_size') AS most_kept,
       pg_catalog.quote_literal(s.slot_name) AS slot_literal
FROM pg_catalog.pg_replication_slots AS s
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS slot) AS j
WHERE COALESCE(j.slot ->> 'synced', 'false') = 'false'
ORDER BY 6 DESC NULLS LAST, 1
LIMIT 50
