-- Alerts that are closed, what was told of them and the messages that were done with are kept for a while and then go.

CREATE INDEX fleet_alert_closed ON fleet_alert (closed_at) WHERE status = 'CLOSED';
CREATE INDEX delivery_jobs_by_age ON delivery_jobs (finished_at) WHERE finished_at IS NOT NULL;

-- FORCE binds the owner too, as whom the function below runs: what is open or waits for being sent it cannot delete at all.
CREATE POLICY delivery_jobs_to_forget ON delivery_jobs FOR DELETE TO CURRENT_USER
    USING (status <> 'PENDING' AND finished_at IS NOT NULL);
CREATE POLICY fleet_alert_to_forget ON fleet_alert FOR DELETE TO CURRENT_USER
    USING (status = 'CLOSED' AND closed_at IS NOT NULL);
CREATE POLICY escalation_outbox_of_the_owner ON escalation_outbox FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY escalation_outbox_to_forget ON escalation_outbox FOR DELETE TO CURRENT_USER
    USING (EXISTS (SELECT FROM public.fleet_alert a
                   WHERE a.tenant_id = escalation_outbox.tenant_id AND a.id = escalation_outbox.alert_id AND a.status = 'CLOSED'));

-- Deletes what was done with so many days ago, up to so many rows of each kind, and says how many those were. A step of an
-- escalation goes with its alert's end, and an alert when nothing refers to it any more; so an alert of which something is still
-- to be sent stays. The service's role deletes no alert itself: what it could choose would not be bound to an age.
CREATE FUNCTION forget_finished(days integer, most integer, OUT messages bigint, OUT steps bigint, OUT alerts bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '1s' AS $$
DECLARE
    cutoff timestamptz := now() - make_interval(days => greatest(days, 1));
BEGIN
    DELETE FROM public.delivery_jobs AS job USING (
        SELECT tenant_id, job_id FROM public.delivery_jobs
        WHERE finished_at < cutoff AND status <> 'PENDING' ORDER BY finished_at LIMIT most) AS old
    WHERE job.tenant_id = old.tenant_id AND job.job_id = old.job_id;
    GET DIAGNOSTICS messages = ROW_COUNT;

    DELETE FROM public.escalation_outbox AS step USING (
        SELECT o.outbox_id
        FROM public.fleet_alert AS a JOIN public.escalation_outbox AS o ON o.tenant_id = a.tenant_id AND o.alert_id = a.id
        WHERE a.status = 'CLOSED' AND a.closed_at < cutoff
          AND NOT EXISTS (SELECT FROM public.delivery_jobs AS job
                          WHERE job.tenant_id = o.tenant_id AND job.outbox_id = o.outbox_id)
        ORDER BY a.closed_at LIMIT most) AS old
    WHERE step.outbox_id = old.outbox_id;
    GET DIAGNOSTICS steps = ROW_COUNT;

    DELETE FROM public.fleet_alert AS alert USING (
        SELECT a.id FROM public.fleet_alert AS a
        WHERE a.status = 'CLOSED' AND a.closed_at < cutoff
          AND NOT EXISTS (SELECT FROM public.escalation_outbox AS o WHERE o.tenant_id = a.tenant_id AND o.alert_id = a.id)
          AND NOT EXISTS (SELECT FROM public.delivery_jobs AS job WHERE job.tenant_id = a.tenant_id AND job.alert_id = a.id)
        ORDER BY a.closed_at LIMIT most) AS old
    WHERE alert.id = old.id;
    GET DIAGNOSTICS alerts = ROW_COUNT;
END
$$;
REVOKE ALL ON FUNCTION forget_finished(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_finished(integer, integer) TO fleet_app;

ALTER TABLE maintenance_log DROP CONSTRAINT maintenance_log_work_check;
ALTER TABLE maintenance_log ADD CONSTRAINT maintenance_log_work_check
    CHECK (work IN ('telemetry partitions', 'statistics', 'site overview', 'finished alerts'));
