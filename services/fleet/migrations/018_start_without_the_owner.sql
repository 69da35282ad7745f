-- What the service's role reads at its start where it has no other login: the key that signs cursors, and which files are applied.
GRANT SELECT ON service_keys, plimsoll_migrations TO fleet_app;
