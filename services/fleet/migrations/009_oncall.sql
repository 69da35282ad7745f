-- Who is on call: schedules, their layers, and those who stand in for a time.

CREATE TABLE oncall_schedules (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants,
    schedule_id bigint GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description text,
    -- A name of the IANA database; hours of handing over are hours there.
    timezone    text NOT NULL DEFAULT 'UTC',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, schedule_id)
);
ALTER TABLE oncall_schedules ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY oncall_schedules_own ON oncall_schedules
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON oncall_schedules TO fleet_app;

-- Layers are named by their order, which stays when a schedule is written anew.
CREATE TABLE oncall_layers (
    tenant_id            text COLLATE "C" NOT NULL,
    schedule_id          bigint NOT NULL,
    layer_order          integer NOT NULL CHECK (layer_order BETWEEN 0 AND 100),
    rotation             text NOT NULL DEFAULT 'weekly'
                         CONSTRAINT oncall_layers_rotation CHECK (rotation IN ('daily', 'weekly', 'custom')),
    shift_duration_hours integer NOT NULL DEFAULT 168 CHECK (shift_duration_hours BETWEEN 1 AND 8784),
    -- 0 is Sunday.
    handoff_day          smallint NOT NULL DEFAULT 1 CHECK (handoff_day BETWEEN 0 AND 6),
    handoff_hour         smallint NOT NULL DEFAULT 9 CHECK (handoff_hour BETWEEN 0 AND 23),
    -- The first to hand over on or after this day is followed by the first responder.
    starts_on            date NOT NULL DEFAULT '1970-01-04',
    responders           text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, schedule_id, layer_order),
    FOREIGN KEY (tenant_id, schedule_id) REFERENCES oncall_schedules ON DELETE CASCADE
);
ALTER TABLE oncall_layers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY oncall_layers_own ON oncall_layers
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, UPDATE, DELETE ON oncall_layers TO fleet_app;

CREATE TABLE oncall_overrides (
    tenant_id   text COLLATE "C" NOT NULL,
    schedule_id bigint NOT NULL,
    override_id bigint GENERATED ALWAYS AS IDENTITY,
    -- Without one it stands for the whole schedule.
    layer_order integer,
    responder   text NOT NULL CHECK (length(responder) BETWEEN 1 AND 200),
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, schedule_id, override_id),
    FOREIGN KEY (tenant_id, schedule_id) REFERENCES oncall_schedules ON DELETE CASCADE,
    CHECK (starts_at < ends_at)
);
CREATE INDEX oncall_overrides_by_end ON oncall_overrides (tenant_id, schedule_id, ends_at);
ALTER TABLE oncall_overrides ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY oncall_overrides_own ON oncall_overrides
    USING (tenant_id = (SELECT current_setting('app.tenant_id', true)));
GRANT SELECT, INSERT, DELETE ON oncall_overrides TO fleet_app;
