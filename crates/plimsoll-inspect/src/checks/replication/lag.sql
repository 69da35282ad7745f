-- How far each follower of this server is behind it, and how far this server is behind its primary, if it is a standby. While a
-- primary is idle the time of the last transaction says nothing, so a time only counts where bytes are missing. What a program
-- that copies the log (pg_receivewal) replays is not known, so what it has written counts. A backup is no follower.
SELECT 'follower' AS lag_of,
       COALESCE(NULLIF(r.application_name, ''), 'without a name')
           || COALESCE(' at ' || pg_catalog.host(r.client_addr), '') AS follower,
       r.state AS stream,
       CASE WHEN lag.bytes > 0 THEN lag.bytes ELSE 0 END AS bytes,
       CASE WHEN lag.bytes > 0
            THEN GREATEST(EXTRACT(epoch FROM r.replay_lag), EXTRACT(epoch FROM pg_catalog.now() - r.reply_time), 0)
            ELSE 0 END AS seconds,
       false AS is_paused, false AS has_primary
FROM pg_catalog.pg_stat_replication AS r
CROSS JOIN LATERAL (
    SELECT pg_catalog.pg_wal_lsn_diff(
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
             ELSE pg_catalog.pg_current_wal_lsn() END,
        COALESCE(r.replay_lsn, r.flush_lsn, r.write_lsn)) AS bytes
) AS lag
WHERE r.state <> 'backup'
UNION ALL
SELECT 'self', NULL, w.status, GREATEST(lag.bytes, 0),
       CASE WHEN lag.bytes > 0 THEN EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_last_xact_replay_timestamp())
            ELSE 0 END,
       pg_catalog.pg_is_wal_replay_paused(),
       COALESCE(pg_catalog.current_setting('primary_conninfo'), '') <> ''
FROM (SELECT) AS one
LEFT JOIN pg_catalog.pg_stat_wal_receiver AS w ON true
CROSS JOIN LATERAL (
    SELECT pg_catalog.pg_wal_lsn_diff(GREATEST(w.latest_end_lsn, pg_catalog.pg_last_wal_receive_lsn()),
                                      pg_catalog.pg_last_wal_replay_lsn()) AS bytes
) AS lag
WHERE pg_catalog.pg_is_in_recovery()
ORDER BY 5 DESC NULLS LAST, 4 DESC NULLS LAST
LIMIT 50
