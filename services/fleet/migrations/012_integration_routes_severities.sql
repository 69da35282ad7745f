-- A route names the severities that it takes, instead of the least of them.
--
-- Added only where it is missing and filled only where it is empty, so that it may run again: what people have chosen since
-- stays. min_severity counted from 1 (everything) to 5 (critical only); what is none of these took everything. The column
-- min_severity stays until it was looked at; no statement of the service reads it.

-- FORCE binds the owner too, and without a tenant it would find no row to fill.
ALTER TABLE public.integration_routes NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.integration_routes ADD COLUMN IF NOT EXISTS severities text[] DEFAULT '{}';
UPDATE public.integration_routes SET severities = CASE min_severity
    WHEN 1 THEN ARRAY['critical', 'high', 'medium', 'low', 'info']
    WHEN 2 THEN ARRAY['critical', 'high', 'medium', 'low']
    WHEN 3 THEN ARRAY['critical', 'high', 'medium']
    WHEN 4 THEN ARRAY['critical', 'high']
    WHEN 5 THEN ARRAY['critical']
    ELSE ARRAY['critical', 'high', 'medium', 'low', 'info'] END
WHERE severities IS NULL OR severities = '{}';
ALTER TABLE public.integration_routes ALTER COLUMN severities SET DEFAULT '{}', ALTER COLUMN severities SET NOT NULL;
ALTER TABLE public.integration_routes FORCE ROW LEVEL SECURITY;
