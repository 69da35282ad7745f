-- What was bought, and what became of it. Both are written in one transaction, so neither is ever without the other.

CREATE TABLE media_buy (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Which the buyer has chosen: a buy that is sent again is the same buy.
    buyer_ref    text NOT NULL UNIQUE,
    budget_cents bigint NOT NULL CHECK (budget_cents > 0)
);

CREATE TABLE audit_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    media_buy_id bigint NOT NULL REFERENCES media_buy (id),
    what         text NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);

-- A foreign key has no index of its own. The history of one buy is read by this one.
CREATE INDEX audit_log_of_buy ON audit_log (media_buy_id, id);
