-- Who did it, beside the tenant: the subject of the signed token that was shown. A token of the service's own names no person.
ALTER TABLE audit_log ADD COLUMN person text COLLATE "C" CHECK (length(person) BETWEEN 1 AND 255);

CREATE OR REPLACE FUNCTION record_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := pg_catalog.current_setting('app.actor', true);
BEGIN
    IF actor IS NULL OR actor = '' THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.audit_log (tenant_id, actor_type, actor_id, person, action, object_type, object_id, outcome, client, request_id)
    SELECT c.r->>'tenant_id', 'tenant', actor, left(nullif(pg_catalog.current_setting('app.person', true), ''), 255),
           lower(TG_OP), TG_TABLE_NAME,
           (SELECT left(string_agg(c.r->>k.name, '/' ORDER BY k.n), 400)
            FROM unnest(TG_ARGV) WITH ORDINALITY AS k (name, n)),
           'DONE', nullif(pg_catalog.current_setting('app.client', true), ''),
           nullif(pg_catalog.current_setting('app.request_id', true), '')
    FROM (SELECT to_jsonb(t) AS r FROM changed AS t) AS c;
    RETURN NULL;
END
$$;
