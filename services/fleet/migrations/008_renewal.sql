-- Renewal: what was answered under an Idempotency-Key, and the work on terms, which looks at the subscriptions of all tenants.

-- The result of a request that changed something, so that the same request sent again gets the same answer and does nothing.
CREATE TABLE stored_results (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants,
    operation    text NOT NULL,
    key          text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256, in hex, of what was asked: another request under the same key is refused.
    request_hash text NOT NULL CHECK (request_hash ~ '^[0-9a-f]{64}$'),
    result       text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, operation, key)
);
CREATE INDEX stored_results_by_age ON stored_results (created_at);
ALTER TABLE stored_results ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY stored_results_own ON stored_results
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, DELETE ON stored_results TO fleet_app;

-- The background's transactions name their work in app.work, as a tenant's name the tenant. They see what is due, and no more.
CREATE POLICY stored_results_old ON stored_results
    USING ((SELECT current_setting('app.work', true)) = 'subscription terms' AND created_at < now() - interval '7 days');
CREATE POLICY subscriptions_due ON subscriptions FOR SELECT
    USING ((SELECT current_setting('app.work', true)) = 'subscription terms'
           AND status IN ('TRIAL', 'ACTIVE', 'GRACE') AND coalesce(grace_end, term_end) <= now());

CREATE INDEX subscriptions_by_end ON subscriptions ((coalesce(grace_end, term_end)))
    WHERE status IN ('TRIAL', 'ACTIVE', 'GRACE');
CREATE INDEX subscriptions_by_parent ON subscriptions (tenant_id, parent_id) WHERE parent_id IS NOT NULL;

ALTER TABLE subscription_event_log DROP CONSTRAINT subscription_event_log_event_type_check;
ALTER TABLE subscription_event_log ADD CONSTRAINT subscription_event_log_event_type_check
    CHECK (event_type IN ('DEVICE_ADDED', 'DEVICE_REMOVED', 'DEVICE_REASSIGNED', 'RENEWED', 'GRACE_STARTED',
                          'STATUS_SUSPENDED', 'STATUS_EXPIRED'));
