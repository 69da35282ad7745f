//! Readings, each acknowledged after the COMMIT that holds it.
//!
//! 256 clients keep a connection each and send one reading at a time, the next when the last was acknowledged: the service writes
//! what comes meanwhile in one transaction. Beside it, on the same HTTP stack, pool and tables, each message has a transaction of
//! its own. Of the rows that the service stored it is counted how many transactions wrote them (distinct `xmin`).
//!
//! Then a hundred readings a request, and beside it the least that a program can do about it: one connection of the bare driver
//! that inserts a hundred rows by `INSERT .. SELECT .. FROM unnest(..)` in a loop, in the same table. It has no HTTP, reads no
//! JSON, looks up no device and is one of nobody's tenants.

use super::Fleet;
use super::client::{Client, post};
use super::one_by_one::OneByOne;
use crate::crowd::{crowd, per_second};
use crate::options::Options;
use crate::peers::Place;
use crate::race::{Better, Laps, OURS, quantile};
use crate::report::Report;
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;

const ABOUT: &str = "readings acknowledged after commit, fsync on; 256 clients, and batches of 100";
const CLIENTS: usize = 256;
const ONE_BY_ONE: &str = "one commit each";
/// Clients that send batches; each has a hundred readings under way.
const BATCHERS: usize = 16;
const BATCH: i64 = 100;
const BATCHES: &str = "batches";
const RAW: &str = "raw loop";
/// The readings' own numbers, over all rounds.
static NEXT: AtomicI64 = AtomicI64::new(1);

const INSERT: &str = "
    INSERT INTO telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
    SELECT 'test', r.device_id, now(), r.seq, 'default', 'telemetry', r.metrics::text::jsonb
    FROM unnest($1::text[], $2::bigint[], $3::text[]) AS r (device_id, seq, metrics)";

/// The device of each client, as its first message would have registered it.
const REGISTERED: &str = "
    INSERT INTO device_registry (tenant_id, device_id, site_id, status, provision_token_hash)
    SELECT 'test', 'd' || n, 'default', 'ACTIVE', t.provision_key_hash
    FROM generate_series(0, 255) n, tenants t WHERE t.tenant_id = 'test'";

/// One round.
struct Lap {
    /// Readings a second.
    rate: f64,
    /// Transactions for a thousand readings.
    commits: f64,
    /// Readings that were told to come again, of a thousand. They are in no rate.
    refused: f64,
}

pub async fn run(options: &Options) -> Result<Report> {
    let fleet = &Fleet::start().await?;
    let ready = fleet.ready()?;
    let (databases, pool) = (fleet.running.shared().databases(), &ready.pools.ingest);
    let alone = &OneByOne::start(databases, pool, &ready.partitions).await?;
    let span = if options.quick { Duration::from_secs(1) } else { Duration::from_secs(3) };
    let mut report = Report::new("ingest", ABOUT);
    let key = fleet.credentials.provisioning_key.as_str();
    fleet.execute(REGISTERED).await?;
    let laps = options
        .race(Better::More)
        .with(OURS, || lap(fleet, span, CLIENTS, move |at| one_reading(fleet.addr(), key, at)))
        .with(ONE_BY_ONE, || lap(fleet, span, CLIENTS, move |at| one_reading(alone.addr, key, at)))
        .with(BATCHES, || lap(fleet, span, BATCHERS, move |at| batch(fleet.addr(), key, at)))
        .with(RAW, || raw(fleet, span))
        .laps()
        .await?;
    tell(&mut report, &laps);
    Ok(report)
}

/// What one client sends, again and again.
struct Sender {
    addr: SocketAddr,
    key: String,
    device: usize,
    count: i64,
}

fn one_reading(addr: SocketAddr, key: &str, device: usize) -> Sender {
    Sender { addr, key: key.to_owned(), device, count: 1 }
}

fn batch(addr: SocketAddr, key: &str, device: usize) -> Sender {
    Sender { count: BATCH, ..one_reading(addr, key, device) }
}

impl Sender {
    /// How many readings of a request were acknowledged by this answer.
    fn acknowledged(&self, status: u16, body: &[u8]) -> Result<i64> {
        match status {
            202 if self.count == 1 => Ok(1),
            202 => {
                let answer: serde_json::Value = serde_json::from_slice(body)?;
                answer.get("accepted").and_then(serde_json::Value::as_i64).context("no number of accepted")
            }
            503 => Ok(0),
            _ => bail!("a request was answered {status}: {}", String::from_utf8_lossy(body)),
        }
    }

    /// The next request; its readings have numbers of their own, and no time, so that each is a new one.
    fn request(&self) -> Vec<u8> {
        let (first, device) = (NEXT.fetch_add(self.count, Ordering::Relaxed), self.device);
        let metrics = r#"{"temperature":21.5,"humidity":40,"door":true}"#;
        if self.count == 1 {
            let path = format!("/ingest/v1/tenant/test/device/d{device}/telemetry");
            return post(&path, &self.key, &format!(r#"{{"seq":{first},"metrics":{metrics}}}"#));
        }
        let messages: Vec<String> = (first..first + self.count)
            .map(|seq| {
                format!(r#"{{"tenant_id":"test","device_id":"d{device}","seq":{seq},"metrics":{metrics}}}"#)
            })
            .collect();
        post("/ingest/v1/batch", &self.key, &format!(r#"{{"messages":[{}]}}"#, messages.join(",")))
    }
}

/// So many clients for so long, on an empty table.
async fn lap(
    fleet: &Fleet,
    span: Duration,
    clients: usize,
    sender: impl Fn(usize) -> Sender + Send,
) -> Result<Lap> {
    fleet.execute("TRUNCATE telemetry").await?;
    let (took, sent) = crowd(clients, |at| {
        let sender = sender(at);
        async move {
            let mut client = Client::connect(sender.addr).await?;
            let (began, mut acknowledged, mut refused) = (Instant::now(), 0, 0);
            while began.elapsed() < span {
                let status = client.ask(&sender.request()).await?;
                let stored = sender.acknowledged(status, &client.body)?;
                acknowledged += stored;
                refused += sender.count - stored;
            }
            Ok((acknowledged, refused))
        }
    })
    .await?;
    let refused = sent.iter().map(|(_, refused)| refused).sum::<i64>() as f64;
    let sent = sent.into_iter().map(|(acknowledged, _)| acknowledged).sum::<i64>();
    // Whatever was acknowledged is there.
    let stored = fleet.number("SELECT count(*) AS n FROM telemetry").await?;
    ensure!(stored >= sent as f64, "{sent} were acknowledged, and {stored} are stored");
    let commits = fleet.number("SELECT count(DISTINCT xmin::text) AS n FROM telemetry").await?;
    Ok(Lap {
        rate: per_second(usize::try_from(sent)?, took),
        commits: commits / stored * 1000.0,
        refused: refused / (refused + sent as f64) * 1000.0,
    })
}

/// The bare driver, one connection.
#[expect(clippy::disallowed_methods, reason = "the bare driver is what it is compared with")]
async fn raw(fleet: &Fleet, span: Duration) -> Result<Lap> {
    fleet.execute("TRUNCATE telemetry").await?;
    let place = Place::direct(&fleet.cluster);
    let mut config = tokio_postgres::Config::new();
    config
        .host(&place.host)
        .port(place.port)
        .user(&place.user)
        .password(&place.password)
        .dbname(super::DATABASE);
    let (client, connection) = config.connect(NoTls).await?;
    let client = Arc::new(client);
    let driver = tokio::spawn(connection);
    let statement = client.prepare(INSERT).await?;
    let asking = Arc::clone(&client);
    let (took, sent) = crowd(1, move |_| {
        let (client, statement) = (Arc::clone(&asking), statement.clone());
        async move {
            let metrics = vec![r#"{"temperature":21.5,"humidity":40,"door":true}"#; usize::try_from(BATCH)?];
            let (began, mut sent) = (Instant::now(), 0);
            while began.elapsed() < span {
                let first = NEXT.fetch_add(BATCH, Ordering::Relaxed);
                let seqs: Vec<i64> = (first..first + BATCH).collect();
                let devices: Vec<String> = seqs.iter().map(|seq| format!("d{}", seq % 16)).collect();
                client.execute(&statement, &[&devices, &seqs, &metrics]).await?;
                sent += BATCH;
            }
            Ok(sent)
        }
    })
    .await?;
    drop(client);
    driver.await??;
    let sent = sent.into_iter().sum::<i64>();
    Ok(Lap { rate: per_second(usize::try_from(sent)?, took), commits: 1000.0 / BATCH as f64, refused: 0.0 })
}

fn tell(report: &mut Report, laps: &Laps<Lap>) {
    let rates = laps.figures(Better::More, |lap| lap.rate);
    report.line(format!(
        "{:<18}{:>14}{:>22}{:>22}",
        "entrant", "readings/s", "commits per 1,000", "refused of 1,000"
    ));
    for (name, rounds) in laps.each() {
        let of = |figure: fn(&Lap) -> f64| quantile(&rounds.iter().map(figure).collect::<Vec<_>>(), 0.5);
        let (rate, commits, refused) = (of(|lap| lap.rate), of(|lap| lap.commits), of(|lap| lap.refused));
        report.line(format!("{name:<18}{rate:>14.0}{commits:>22.1}{refused:>22.1}"));
        report.further(name, "readings a second, median", rate, "per s");
        report.further(name, "commits for 1,000 readings, median", commits, "");
    }
    for (one, other, case, bound) in
        [(OURS, ONE_BY_ONE, "one reading a request", 2.5), (BATCHES, RAW, "a hundred a request", 0.5)]
    {
        report.row_between(case, "per s", &rates, one, other);
        if let Some(paired) = rates.between(one, other) {
            report.at_least(case, &format!("times {other}"), paired.ratio, bound);
        }
    }
    let commits = laps.figures(Better::Less, |lap| lap.commits);
    if let Some(commits) = commits.median(OURS) {
        report.at_most("one reading a request", "commits for 1,000 readings", commits, 50.0);
    }
}
