-- Tenants, their sites, and the tokens with which their people come in.
--
-- Every table of a tenant's is under row-level security, FORCEd so that it binds the owner of the tables too. A policy
-- compares tenant_id with the setting app.tenant_id, which the service sets inside each transaction and nowhere else:
-- where nobody has set it there is nothing to compare with, and no row is seen.

CREATE TABLE tenants (
    tenant_id          text COLLATE "C" PRIMARY KEY CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    name               text NOT NULL,
    status             text NOT NULL DEFAULT 'ACTIVE'
                       CONSTRAINT tenants_status CHECK (status IN ('ACTIVE', 'SUSPENDED', 'DELETED')),
    -- SHA-256, in hex, of the key that proves a first message to be of this tenant.
    provision_key_hash text CHECK (provision_key_hash ~ '^[0-9a-f]{64}$'),
    metadata           jsonb NOT NULL DEFAULT '{}',
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    deleted_at         timestamptz
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_own ON tenants
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT ON tenants TO fleet_app;

CREATE TABLE sites (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants,
    site_id    text COLLATE "C" NOT NULL CHECK (length(site_id) BETWEEN 1 AND 128),
    name       text NOT NULL,
    location   text,
    latitude   double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude  double precision CHECK (longitude BETWEEN -180 AND 180),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, site_id)
);
ALTER TABLE sites ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY sites_own ON sites
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE ON sites TO fleet_app;

CREATE TABLE tenant_access_tokens (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants,
    token_hash text NOT NULL CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    label      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, token_hash)
);
ALTER TABLE tenant_access_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_access_tokens_own ON tenant_access_tokens
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT ON tenant_access_tokens TO fleet_app;

-- Keys that all instances share, such as the one that signs cursors. Only the owner reads them, at start.
CREATE TABLE service_keys (
    name       text PRIMARY KEY,
    key        text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
