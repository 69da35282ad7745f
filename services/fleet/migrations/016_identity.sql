-- What people of a tenant may do, and tokens that are accepted no more.

-- The same words as the roles in signed tokens; who had a token before could do everything.
ALTER TABLE tenant_access_tokens
    ADD COLUMN role text NOT NULL DEFAULT 'full-admin'
        CONSTRAINT tenant_access_tokens_role
        CHECK (role IN ('viewer', 'device-manager', 'alert-manager', 'integration-manager', 'team-admin', 'full-admin'));
GRANT UPDATE (revoked_at) ON tenant_access_tokens TO fleet_app;

-- Signed tokens that were revoked: one (jti), what a person was given until then (subject), or all of a tenant's. Without a tenant
-- they are operators'.
CREATE TABLE token_revocations (
    revocation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id     text COLLATE "C" REFERENCES tenants,
    jti           text COLLATE "C" CHECK (length(jti) BETWEEN 1 AND 255),
    subject       text COLLATE "C" CHECK (length(subject) BETWEEN 1 AND 255),
    -- What was issued earlier is not accepted.
    not_before    timestamptz NOT NULL DEFAULT now(),
    -- From then on no such token is valid anyway.
    until         timestamptz NOT NULL,
    created_by    text NOT NULL,
    CHECK (jti IS NULL OR subject IS NULL)
);
CREATE INDEX token_revocations_by_tenant ON token_revocations (tenant_id, until);
ALTER TABLE token_revocations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY token_revocations_own ON token_revocations
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
CREATE POLICY token_revocations_of_operators ON token_revocations
    USING (tenant_id IS NULL AND (SELECT current_setting('app.work', true)) = 'operator revocations');
GRANT SELECT, INSERT, DELETE ON token_revocations TO fleet_app;

-- Told by the table, so that a revocation by hand is heard as well. Of a tenant's the database is asked each time.
CREATE FUNCTION tell_of_revocations() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('token_revocations', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER token_revocations_told AFTER INSERT OR UPDATE ON token_revocations
    FOR EACH ROW WHEN (NEW.tenant_id IS NULL) EXECUTE FUNCTION tell_of_revocations();
