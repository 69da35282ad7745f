//! `docs/db.md`: the configuration of PostgreSQL, made of the profiles.
