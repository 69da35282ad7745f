//! The sender of messages: a background task of every instance.
//!
//! It looks every second for tenants that have a message due, claims as many as it has hands free, commits, and sends each in
//! a task of its own. No connection to the database is held while a receiver answers. A tenant has a few of the hands and no
//! more, so that receivers of one tenant which do not answer leave hands to the others.
//!
//! When the service stops, nothing more is claimed, and what is being sent is waited for ([`Sender::finished`]).

use super::mail::Mail;
use super::retry::RetrySettings;
use super::store::{self, Claimed};
use super::webhook::{Message, Webhooks};
use super::{Outcome, address::Networks};
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// How often it is looked for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// How long after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The most tenants of one look.
const MOST_TENANTS: i32 = 200;
/// Messages that are sent at a time.
const HANDS: u32 = 64;
/// Of these, those of one tenant.
const OF_ONE_TENANT: u32 = 8;

const TENANTS: &str = "SELECT * FROM public.tenants_with_deliveries($1)";

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    webhooks: Webhooks,
    mail: Option<Mail>,
    retry: RetrySettings,
    hands: Arc<Semaphore>,
    /// Of the tenants that have one.
    busy: Mutex<HashMap<TenantId, u32>>,
}

/// Where mail of an integration goes.
#[derive(Deserialize)]
struct MailConfig {
    to: Vec<String>,
}

/// Where a webhook of an integration goes.
#[derive(Deserialize)]
struct WebhookConfig {
    url: String,
}

impl Sender {
    /// Sends through these; without mail, its messages wait for an instance that has it.
    #[must_use]
    pub fn new(webhooks: Webhooks, mail: Option<Mail>, retry: RetrySettings) -> Self {
        let hands = Arc::new(Semaphore::new(HANDS as usize));
        Sender(Arc::new(Inner { webhooks, mail, retry, hands, busy: Mutex::default() }))
    }

    /// The networks that may be reached beside the public ones.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        self.0.webhooks.networks()
    }

    /// Claims what is due and begins to send it; gives how many those are.
    ///
    /// # Errors
    /// When it cannot be asked who has something due, and the last of those with which a tenant's claim failed.
    ///
    /// # Cancel safety
    /// What was claimed and not begun is sent when its lease is over.
    pub async fn once(&self, db: &Database) -> Result<usize> {
        let (mut begun, mut failed) = (0, None);
        for row in db.named("who has messages to send").query(TENANTS, &[&MOST_TENANTS]).await? {
            let tenant = TenantId::parse(row.try_get(0)?)
                .ok_or_else(|| Error::abort("a message belongs to a tenant whose id is none"))?;
            match self.of_tenant(db, &tenant).await {
                Ok(count) => begun += count,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(begun), Err)
    }

    async fn of_tenant(&self, db: &Database, tenant: &TenantId) -> Result<usize> {
        let mut hands = self.take_hands(tenant);
        if hands.is_empty() {
            return Ok(0);
        }
        let most = i64::try_from(hands.len()).unwrap_or(i64::MAX);
        let before = Instant::now();
        let work = async |tx: TenantTx| store::claim(&tx, most, &self.0.retry).await;
        let claimed = transaction::retrying(db.named("claim messages").resolvable(), tenant, work).await?;
        let count = claimed.len();
        for job in claimed {
            let Some(hand) = hands.pop() else { break };
            let (sender, db, tenant) = (self.clone(), db.clone(), tenant.clone());
            tokio::spawn(async move {
                sender.deliver(&db, &tenant, job, before).await;
                drop(hand);
            });
        }
        Ok(count)
    }

    /// As many free hands as the tenant may have; they are given back when they are dropped.
    fn take_hands(&self, tenant: &TenantId) -> Vec<Hand> {
        let mut hands = Vec::new();
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let count = busy.entry(tenant.clone()).or_default();
        while *count < OF_ONE_TENANT {
            let Ok(permit) = Arc::clone(&self.0.hands).try_acquire_owned() else { break };
            *count += 1;
            hands.push(Hand { _permit: permit, sender: self.clone(), tenant: tenant.clone() });
        }
        if *count == 0 {
            busy.remove(tenant);
        }
        hands
    }

    async fn deliver(&self, db: &Database, tenant: &TenantId, job: Claimed, claimed: Instant) {
        // The process may have slept. What remains of the lease must be enough, or another sender may be at it.
        let left = self.0.retry.lease().saturating_sub(claimed.elapsed());
        if left < self.0.retry.limit {
            return;
        }
        let outcome = self.send(&job).await;
        let pause = match &outcome {
            Outcome::Retry { after, .. } => self.0.retry.pause(job.attempt, *after, fastrand::f64()),
            _ => None,
        };
        let outcome = match (outcome, pause) {
            (Outcome::Retry { status, why, .. }, None) => {
                let why = format!("{why}; that was try {} of {}", job.attempt, self.0.retry.attempts);
                Outcome::Dead { status, why }
            }
            (outcome, _) => outcome,
        };
        if let Outcome::Dead { why, .. } = &outcome {
            tracing::warn!("message {} of tenant {tenant} ({}) is given up: {why}", job.id, job.channel);
        }
        let work = async |tx: TenantTx| store::settle(&tx, &job, &outcome, pause).await;
        let call = db.named("settle message").resolvable();
        if let Err(error) = transaction::retrying(call, tenant, work).await {
            tracing::error!(
                "what became of message {} of tenant {tenant} could not be written, so it is sent again when its lease is \
                 over: {error}",
                job.id
            );
        }
    }

    async fn send(&self, job: &Claimed) -> Outcome {
        match job.channel.as_str() {
            "webhook" => self.send_webhook(job).await,
            "email" => self.send_mail(job).await,
            other => Outcome::dead(format!("nothing is sent by {other} here")),
        }
    }

    async fn send_webhook(&self, job: &Claimed) -> Outcome {
        let (address, secret) = match &job.target {
            Some(target) => (target.clone(), job.policy_secret.clone()),
            None => match of_integration::<WebhookConfig>(job) {
                Ok((config, secret)) => (config.url, secret),
                Err(outcome) => return outcome,
            },
        };
        let message =
            Message { key: &job.key, event: &job.event, body: &job.payload, secret: secret.as_deref() };
        self.0.webhooks.post(&address, message).await
    }

    async fn send_mail(&self, job: &Claimed) -> Outcome {
        let to = match &job.target {
            Some(target) => vec![target.clone()],
            None => match of_integration::<MailConfig>(job) {
                Ok((config, _)) => config.to,
                Err(outcome) => return outcome,
            },
        };
        if to.is_empty() || !to.iter().all(|one| super::mail::is_address(one)) {
            return Outcome::dead("the receiver is no mail address such as team@example.com");
        }
        match &self.0.mail {
            Some(mail) => mail.send(&to, &job.key, &job.payload).await,
            None => Outcome::retry("no mail relay is named here: set FLEET_SMTP_URL and FLEET_MAIL_FROM"),
        }
    }

    /// Waits until nothing is being sent any more.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn finished(&self) {
        let _ = self.0.hands.acquire_many(HANDS).await;
    }
}

/// The integration's own words, as they are now.
fn of_integration<T: for<'a> Deserialize<'a>>(job: &Claimed) -> Result<(T, Option<String>), Outcome> {
    let Some(integration) = &job.integration else {
        return Err(Outcome::dead("its integration was deleted"));
    };
    if !integration.enabled || integration.kind != job.channel {
        return Err(Outcome::dead("its integration was turned off, or made another"));
    }
    let config = serde_json::from_str(&integration.config);
    let config = config.map_err(|_| Outcome::dead("its integration does not say where to"))?;
    Ok((config, integration.secret.clone()))
}

/// One message that is being sent, for as long as it lives.
struct Hand {
    _permit: OwnedSemaphorePermit,
    sender: Sender,
    tenant: TenantId,
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut busy = self.sender.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                busy.remove(&self.tenant);
            }
        }
    }
}

/// Sends what is due, until `stop` is raised; a background task of the service.
pub(crate) async fn run(sender: Sender, db: Database, mut stop: watch::Receiver<bool>) {
    loop {
        let begun = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            begun = sender.once(&db) => begun,
        };
        let pause = match begun {
            Ok(_) => EVERY,
            Err(error) => {
                tracing::error!(
                    "messages could not be claimed, it is tried again in {} s: {error}",
                    AFTER_FAILURE.as_secs()
                );
                AFTER_FAILURE
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
