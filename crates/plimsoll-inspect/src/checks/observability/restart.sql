-- What is known of this server's major version: the newest minor release that could be found at the end of November 2026, the day
-- on which the project stops to care for it, and the days until then by the server's clock. Source: postgresql.org, "Versioning
-- Policy", for the days; distributions for 15.20 and 18.6, and for the others that minor releases appear for all majors together.
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 % 10000 AS minor,
       v.latest_minor, v.ends_on, v.ends_on - (pg_catalog.now() AT TIME ZONE 'UTC')::pg_catalog.date AS days_left
FROM (VALUES (14, 25, DATE '2026-11-12'), (15, 20, DATE '2027-11-11'), (16, 16, DATE '2028-11-09'),
             (17, 12, DATE '2029-11-08'), (18, 6, DATE '2030-11-14')) AS v (major, latest_minor, ends_on)
WHERE v.major = pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000
LIMIT 1
