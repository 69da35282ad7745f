-- The limits on time as this session has them, and where each comes from. What a client said at the start of the session shows as
-- `client`, and what was SET later as `session`.
--
-- The transaction that this is asked in has limits of its own, so it is left first: the two that it sets are shown as they are
-- without it (SHOW reads no catalog, so it waits for no lock). Then another transaction that only reads asks for the rest. In it
-- each of the two limits in turn is put back to what the session began with, to tell where that came from, while the other one
-- holds. All of it is one message, so behind a pooler it is all answered by one session of the server.
COMMIT;
SHOW statement_timeout;
SHOW lock_timeout;
BEGIN TRANSACTION READ ONLY;
SET LOCAL statement_timeout = 5000;
SET LOCAL lock_timeout TO DEFAULT;
SELECT name AS limit_name, reset_val AS limit_start, source AS limit_source, NULL AS limit_now
FROM pg_catalog.pg_settings WHERE name = 'lock_timeout' /* asked by plimsoll */;
SET LOCAL lock_timeout = 200;
SET LOCAL statement_timeout TO DEFAULT;
SELECT name AS limit_name, reset_val AS limit_start, source AS limit_source,
       CASE WHEN name <> 'statement_timeout' THEN setting END AS limit_now
FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout',
               'client_connection_check_interval')
