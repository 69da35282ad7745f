//! Messages in SQL: claimed, and settled.
//!
//! A claim is a lease: until it ends, no other sender takes the message; after that, any does. So a sender that was killed
//! leaves nothing behind that somebody would have to clear up.

use super::Outcome;
use super::retry::RetrySettings;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use std::time::Duration;

/// Those whose last try was cut off. Their number of tries was counted before each, so a message that ends its sender ends too.
const EXHAUSTED: &str = "
    UPDATE public.delivery_jobs
    SET status = 'DEAD', finished_at = now(), claim = NULL,
        last_error = 'the last try did not come to an end: its sender was stopped'
    WHERE tenant_id = $1 AND status = 'PENDING' AND next_run_at <= now() AND attempts >= $2";

/// What is locked by another sender is passed over. The try is in the log before it is made.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT job_id FROM public.delivery_jobs
        WHERE tenant_id = $1 AND status = 'PENDING' AND next_run_at <= now() AND attempts < $4
        ORDER BY next_run_at, priority, job_id LIMIT $2 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE public.delivery_jobs j
        SET attempts = j.attempts + 1, claim = gen_random_uuid(), next_run_at = now() + make_interval(secs => $3)
        FROM due WHERE j.tenant_id = $1 AND j.job_id = due.job_id RETURNING j.*
    ), tried AS (
        INSERT INTO public.delivery_attempts (tenant_id, job_id, attempt) SELECT $1, job_id, attempts FROM claimed
    )
    SELECT c.job_id, c.claim::text, c.attempts, c.idempotency_key::text, c.event, c.channel, c.target, c.payload::text,
           c.outbox_id, i.type, i.enabled, i.config::text, i.secret, p.webhook_secret
    FROM claimed c LEFT JOIN public.integrations i ON i.tenant_id = $1 AND i.integration_id = c.integration_id
         LEFT JOIN public.escalation_outbox o ON o.tenant_id = $1 AND o.outbox_id = c.outbox_id
         LEFT JOIN public.escalation_policies p ON p.tenant_id = $1 AND p.policy_id = o.policy_id
    ORDER BY c.priority, c.job_id";

const END_ATTEMPT: &str = "
    UPDATE public.delivery_attempts SET finished_at = now(), outcome = $4, status_code = $5, error = $6
    WHERE tenant_id = $1 AND job_id = $2 AND attempt = $3";

/// What was taken was taken, whichever sender has the claim by now.
const SENT: &str = "
    UPDATE public.delivery_jobs SET status = 'SENT', finished_at = now(), claim = NULL, last_error = NULL
    WHERE tenant_id = $1 AND job_id = $2 AND status <> 'SENT'";

/// A step was told when all of its messages were.
const TOLD: &str = "
    UPDATE public.escalation_outbox SET sent_at = now()
    WHERE tenant_id = $1 AND outbox_id = $2 AND sent_at IS NULL AND NOT EXISTS (
        SELECT FROM public.delivery_jobs WHERE tenant_id = $1 AND outbox_id = $2 AND status <> 'SENT')";

const NOT_SENT: &str = "
    UPDATE public.delivery_jobs
    SET status = CASE WHEN $4::float8 IS NULL THEN 'DEAD' ELSE 'PENDING' END,
        finished_at = CASE WHEN $4 IS NULL THEN now() END,
        next_run_at = now() + make_interval(secs => coalesce($4, 0)), claim = NULL, last_error = $5
    WHERE tenant_id = $1 AND job_id = $2 AND claim = $3::text::uuid AND status = 'PENDING'";

/// A message that was claimed.
#[derive(Clone)]
pub struct Claimed {
    /// Its number.
    pub id: i64,
    claim: String,
    /// The number of this try.
    pub attempt: i32,
    /// The same for each try.
    pub key: String,
    /// What has happened.
    pub event: String,
    /// `webhook` or `email`.
    pub channel: String,
    /// Where to, where that was decided when it was written.
    pub target: Option<String>,
    /// JSON.
    pub payload: String,
    outbox: Option<i64>,
    /// What a step of an escalation is signed with, where its policy has a secret.
    pub policy_secret: Option<String>,
    /// Where to, where the integration says so.
    pub integration: Option<Integration>,
}

/// An integration as it is when a message is sent.
#[derive(Clone)]
pub struct Integration {
    /// `webhook` or `email`, or one of those that are not sent to.
    pub kind: String,
    /// Whether it is used.
    pub enabled: bool,
    /// JSON.
    pub config: String,
    /// What is signed with.
    pub secret: Option<String>,
}

/// Claims up to `most` messages that are due.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn claim(tx: &TenantTx, most: i64, settings: &RetrySettings) -> Result<Vec<Claimed>> {
    tx.execute(EXHAUSTED, &[&tx.tenant(), &settings.attempts]).await?;
    let lease = settings.lease().as_secs_f64();
    let rows = tx.query(CLAIM, &[&tx.tenant(), &most, &lease, &settings.attempts]).await?;
    rows.iter().map(claimed).collect()
}

fn claimed(row: &Row) -> Result<Claimed> {
    let integration = match row.try_get::<_, Option<String>>(9)? {
        Some(kind) => Some(Integration {
            kind,
            enabled: row.try_get(10)?,
            config: row.try_get(11)?,
            secret: row.try_get(12)?,
        }),
        None => None,
    };
    Ok(Claimed {
        id: row.try_get(0)?,
        claim: row.try_get(1)?,
        attempt: row.try_get(2)?,
        key: row.try_get(3)?,
        event: row.try_get(4)?,
        channel: row.try_get(5)?,
        target: row.try_get(6)?,
        payload: row.try_get(7)?,
        outbox: row.try_get(8)?,
        policy_secret: row.try_get(13)?,
        integration,
    })
}

/// Writes down what a try has come to; `pause` is the time until the next one, and none if there is none. Where another sender
/// has the message by now, the try is in the log and its place in the queue is left to that sender.
///
/// # Errors
/// As any statement's; the message is tried again then, when the lease is over.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn settle(tx: &TenantTx, job: &Claimed, outcome: &Outcome, pause: Option<Duration>) -> Result<()> {
    let (word, why) = (outcome.as_str(), outcome.why());
    let status = outcome.status().map(i32::from);
    tx.execute(END_ATTEMPT, &[&tx.tenant(), &job.id, &job.attempt, &word, &status, &why]).await?;
    if let Outcome::Sent { .. } = outcome {
        tx.execute(SENT, &[&tx.tenant(), &job.id]).await?;
        if let Some(step) = job.outbox {
            tx.execute(TOLD, &[&tx.tenant(), &step]).await?;
        }
        return Ok(());
    }
    let pause = pause.map(|pause| pause.as_secs_f64());
    tx.execute(NOT_SENT, &[&tx.tenant(), &job.id, &job.claim, &pause, &why]).await.map(drop)
}
