-- How often pg_stat_statements had to forget the rarest statements, and over which time. Its view lies in a schema that only the
-- catalog knows and does not exist everywhere, while a question is one fixed text: so the view is read by ts_stat, which is
-- given a text of SQL and gives back the words of what that finds. Without the library or the view there is no row.
SELECT pg_catalog.max(pg_catalog.substr(w.word, 3)) FILTER (WHERE w.word LIKE 'f=%') AS times_forgotten,
       pg_catalog.max(pg_catalog.substr(w.word, 3)) FILTER (WHERE w.word LIKE 's=%') AS collected_seconds
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_class AS v ON v.relnamespace = e.extnamespace AND v.relname = 'pg_stat_statements_info'
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
CROSS JOIN LATERAL pg_catalog.ts_stat(pg_catalog.format(
    $$SELECT pg_catalog.array_to_tsvector(ARRAY['f=' || i.dealloc,
          's=' || EXTRACT(epoch FROM pg_catalog.clock_timestamp() - i.stats_reset)]) FROM %I.pg_stat_statements_info AS i$$,
    n.nspname)) AS w
WHERE e.extname = 'pg_stat_statements' AND pg_catalog.current_setting('pg_stat_statements.max', true) IS NOT NULL
GROUP BY e.oid
LIMIT 1
