-- The schema of an exploit-intelligence service: 9 tables, 4 views, 16 indexes, 5 triggers.
--
-- It may run any number of times: what is there stays as it is.

CREATE TABLE IF NOT EXISTS sources (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    url             text NOT NULL,
    is_enabled      boolean NOT NULL DEFAULT true,
    last_fetched_at timestamptz,
    last_error      text,
    failures        integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS exploits (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx_hash      text NOT NULL UNIQUE,
    chain        text NOT NULL,
    protocol     text NOT NULL,
    category     text,
    description  text,
    amount_usd   numeric(20, 2) CHECK (amount_usd >= 0),
    source_id    bigint REFERENCES sources (id) ON DELETE SET NULL,
    happened_at  timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS users (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL UNIQUE,
    tier       text NOT NULL DEFAULT 'free' CHECK (tier IN ('free', 'pro', 'team')),
    api_key    text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS alerts_sent (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exploit_id bigint NOT NULL REFERENCES exploits (id) ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel    text NOT NULL,
    sent_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (exploit_id, user_id, channel)
);

CREATE TABLE IF NOT EXISTS alert_preferences (
    user_id        bigint PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    min_amount_usd numeric(20, 2) NOT NULL DEFAULT 0,
    chains         text[] NOT NULL DEFAULT '{}',
    channels       text[] NOT NULL DEFAULT '{email}',
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS community_submissions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    exploit_id  bigint REFERENCES exploits (id) ON DELETE SET NULL,
    evidence    text NOT NULL,
    status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'refused')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS user_reputation (
    user_id    bigint PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    points     integer NOT NULL DEFAULT 0,
    accepted   integer NOT NULL DEFAULT 0,
    refused    integer NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS payments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users (id),
    amount_usd  numeric(12, 2) NOT NULL CHECK (amount_usd > 0),
    reference   text NOT NULL UNIQUE,
    status      text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paid', 'failed')),
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS subscription_changes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users (id),
    payment_id bigint REFERENCES payments (id),
    from_tier  text NOT NULL,
    to_tier    text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS idx_exploits_happened_at ON exploits (happened_at DESC);
CREATE INDEX IF NOT EXISTS idx_exploits_chain ON exploits (chain, happened_at DESC);
CREATE INDEX IF NOT EXISTS idx_exploits_protocol ON exploits (protocol);
CREATE INDEX IF NOT EXISTS idx_exploits_amount ON exploits (amount_usd DESC NULLS LAST);
CREATE INDEX IF NOT EXISTS idx_exploits_source ON exploits (source_id);
CREATE INDEX IF NOT EXISTS idx_sources_enabled ON sources (last_fetched_at) WHERE is_enabled;
CREATE INDEX IF NOT EXISTS idx_users_tier ON users (tier);
CREATE INDEX IF NOT EXISTS idx_alerts_sent_user ON alerts_sent (user_id, sent_at DESC);
CREATE INDEX IF NOT EXISTS idx_alerts_sent_at ON alerts_sent (sent_at);
CREATE INDEX IF NOT EXISTS idx_submissions_user ON community_submissions (user_id);
CREATE INDEX IF NOT EXISTS idx_submissions_pending ON community_submissions (created_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS idx_reputation_points ON user_reputation (points DESC);
CREATE INDEX IF NOT EXISTS idx_payments_user ON payments (user_id, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_payments_open ON payments (created_at) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS idx_subscription_changes_user ON subscription_changes (user_id, changed_at DESC);
CREATE INDEX IF NOT EXISTS idx_subscription_changes_payment ON subscription_changes (payment_id);

CREATE OR REPLACE VIEW v_recent_exploits AS
SELECT exploits.id, tx_hash, chain, protocol, amount_usd, happened_at, sources.name AS source
FROM exploits LEFT JOIN sources ON sources.id = exploits.source_id
WHERE happened_at > now() - interval '7 days';

CREATE OR REPLACE VIEW v_stats_24h AS
SELECT count(*) AS exploits, coalesce(sum(amount_usd), 0) AS amount_usd, count(DISTINCT chain) AS chains
FROM exploits
WHERE happened_at > now() - interval '24 hours';

CREATE OR REPLACE VIEW v_source_health AS
SELECT id, name, is_enabled, failures, last_error, now() - last_fetched_at AS silent_for
FROM sources;

CREATE OR REPLACE VIEW v_user_stats AS
SELECT users.id, users.tier, coalesce(user_reputation.points, 0) AS points,
       (SELECT count(*) FROM alerts_sent WHERE alerts_sent.user_id = users.id) AS alerts,
       (SELECT count(*) FROM community_submissions WHERE community_submissions.user_id = users.id) AS submissions
FROM users LEFT JOIN user_reputation ON user_reputation.user_id = users.id;

CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER trg_sources_updated_at
    BEFORE UPDATE ON sources FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE OR REPLACE TRIGGER trg_exploits_updated_at
    BEFORE UPDATE ON exploits FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE OR REPLACE TRIGGER trg_users_updated_at
    BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE OR REPLACE TRIGGER trg_alert_preferences_updated_at
    BEFORE UPDATE ON alert_preferences FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE OR REPLACE TRIGGER trg_community_submissions_updated_at
    BEFORE UPDATE ON community_submissions FOR EACH ROW EXECUTE FUNCTION set_updated_at();
