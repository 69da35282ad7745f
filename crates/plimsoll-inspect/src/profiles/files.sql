-- What ALTER SYSTEM has written: the last line of a name counts.
SELECT DISTINCT ON (lower(name)) lower(name) AS said_name, setting AS said_value, 'server' AS said_level
FROM pg_catalog.pg_file_settings
WHERE sourcefile LIKE '%postgresql.auto.conf' AND name IS NOT NULL
ORDER BY lower(name), seqno DESC
