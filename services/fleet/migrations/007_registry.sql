-- What people say of a device, its tags, and the tokens that it was given.

ALTER TABLE device_registry
    ADD COLUMN name         text CHECK (length(name) BETWEEN 1 AND 200),
    ADD COLUMN device_type  text CHECK (length(device_type) BETWEEN 1 AND 200),
    ADD COLUMN model        text CHECK (length(model) BETWEEN 1 AND 200),
    ADD COLUMN manufacturer text CHECK (length(manufacturer) BETWEEN 1 AND 200),
    ADD COLUMN serial       text CHECK (length(serial) BETWEEN 1 AND 200),
    ADD COLUMN notes        text CHECK (length(notes) BETWEEN 1 AND 2000);

CREATE TABLE device_tags (
    tenant_id text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    tag       text COLLATE "C" NOT NULL CHECK (length(tag) BETWEEN 1 AND 64),
    PRIMARY KEY (tenant_id, device_id, tag),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device_registry ON DELETE CASCADE
);
CREATE INDEX device_tags_by_tag ON device_tags (tenant_id, tag, device_id);
ALTER TABLE device_tags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY device_tags_own ON device_tags
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, DELETE ON device_tags TO fleet_app;

-- Each token that a device was given, with the time of its end. The one that counts now is in the registry too
-- (provision_token_hash), so that a message is checked by reading one row.
CREATE TABLE device_api_tokens (
    tenant_id  text COLLATE "C" NOT NULL,
    token_id   uuid NOT NULL DEFAULT gen_random_uuid(),
    device_id  text COLLATE "C" NOT NULL,
    client_id  text COLLATE "C" NOT NULL UNIQUE DEFAULT 'dev-' || replace(gen_random_uuid()::text, '-', ''),
    token_hash text NOT NULL CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    label      text NOT NULL CHECK (length(label) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, token_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES device_registry ON DELETE CASCADE
);
CREATE INDEX device_api_tokens_by_device ON device_api_tokens (tenant_id, device_id, created_at);
-- A device has one token that counts, whatever runs at the same time.
CREATE UNIQUE INDEX device_api_tokens_one_counts ON device_api_tokens (tenant_id, device_id)
    WHERE revoked_at IS NULL;
ALTER TABLE device_api_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY device_api_tokens_own ON device_api_tokens
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE ON device_api_tokens TO fleet_app;

CREATE INDEX device_registry_by_site ON device_registry (tenant_id, site_id, device_id);

-- A device that counts against no subscription leaves its trace too.
ALTER TABLE subscription_event_log ALTER COLUMN subscription_id DROP NOT NULL;
