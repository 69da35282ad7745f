-- Escalation policies and their levels: who is told of an alert, and who next if no one acknowledges it.

CREATE TABLE escalation_policies (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants,
    policy_id   bigint GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description text,
    is_default  boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, policy_id)
);
-- A tenant has one default, whatever writes it.
CREATE UNIQUE INDEX escalation_policies_one_default ON escalation_policies (tenant_id) WHERE is_default;
ALTER TABLE escalation_policies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY escalation_policies_own ON escalation_policies
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON escalation_policies TO fleet_app;

CREATE TABLE escalation_levels (
    tenant_id          text COLLATE "C" NOT NULL,
    policy_id          bigint NOT NULL,
    level_number       integer NOT NULL CHECK (level_number BETWEEN 1 AND 5),
    -- How long this level has before the next one is told.
    delay_minutes      integer NOT NULL DEFAULT 15 CHECK (delay_minutes BETWEEN 0 AND 10080),
    notify_email       text,
    notify_webhook     text,
    oncall_schedule_id bigint,
    PRIMARY KEY (tenant_id, policy_id, level_number),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES escalation_policies ON DELETE CASCADE,
    -- A schedule that a level asks is not deleted: the level would tell no one from then on.
    CONSTRAINT escalation_levels_schedule
        FOREIGN KEY (tenant_id, oncall_schedule_id) REFERENCES oncall_schedules
);
CREATE INDEX escalation_levels_by_schedule ON escalation_levels (tenant_id, oncall_schedule_id);
ALTER TABLE escalation_levels ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY escalation_levels_own ON escalation_levels
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON escalation_levels TO fleet_app;
