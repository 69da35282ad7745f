-- Once, by an administrator of the server, before `fleet migrate` runs: the owner of the tables, and the service's database.
--
--   psql -v owner_password="$OWNER_PASSWORD" -f roles.sql postgres://postgres@db/postgres
--
-- The owner may alter the two roles of the service, which takes CREATEROLE.

CREATE ROLE fleet_owner LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE PASSWORD :'owner_password';
CREATE DATABASE fleet OWNER fleet_owner;

\connect fleet

-- Only the owner makes tables here, and only who is named connects.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO fleet_owner;
REVOKE CONNECT ON DATABASE fleet FROM PUBLIC;

-- The service logs in as fleet_app, and takes fleet_operator for the transactions of operators: it does not inherit, so it has none
-- of that role's rights otherwise. `fleet migrate` gives it its limits and its password (FLEET_APP_PASSWORD).
CREATE ROLE fleet_app LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT;
CREATE ROLE fleet_operator NOLOGIN NOSUPERUSER NOBYPASSRLS;
GRANT CONNECT ON DATABASE fleet TO fleet_app;
GRANT fleet_operator TO fleet_app;
GRANT fleet_app, fleet_operator TO fleet_owner WITH ADMIN OPTION;

-- Limits for whatever logs in to this database. The service's role has the same and its sessions state them.
ALTER DATABASE fleet SET idle_in_transaction_session_timeout = '30s';
ALTER DATABASE fleet SET lock_timeout = '5s';

-- What took how long: the operators' pages read it where it is there.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
