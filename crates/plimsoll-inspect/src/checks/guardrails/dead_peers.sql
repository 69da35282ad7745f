-- What the operating system does where a setting leaves it to it. Only a TCP connection shows that: the one that asks, unless
-- something was set for it.
SELECT name AS tcp_name,
       CASE WHEN pg_catalog.inet_client_addr() IS NOT NULL AND reset_val = '0' THEN setting END AS tcp_of_system
FROM pg_catalog.pg_settings
WHERE name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')
