//! Two hundred clients ask for something that takes ten seconds on the database, and hang up while it runs.
//!
//! Thirty statements run then, as many as the pool has connections, and the rest wait for one. From the moment at which the
//! clients begin to close their sockets, it is measured when no statement runs on the server any more, as the server itself
//! tells it; when every connection is back; and how long one more client waits that asks at that moment. Then every
//! connection is lent at once, so one that was lost would be missed.

use super::server::{Kind, SLEEPERS, Server};
use crate::options::Options;
use crate::peers::{Place, Prepared};
use crate::race::quantile;
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

const CASE: &str = "abandoned";
const CLIENTS: usize = 200;
const RUNS: usize = 5;
/// Longer than the statements, so that nothing is taken for stopped that ended by itself.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(1);
const RUNNING: &str =
    "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(10)%'
    and pid <> pg_backend_pid()";
/// In milliseconds.
const BOUND: f64 = 250.0;

/// One run, in milliseconds from the moment at which clients began to leave.
struct Run {
    stopped: f64,
    returned: f64,
    served: f64,
    lost: usize,
}

pub async fn measure(report: &mut Report, options: &Options, place: &Place) -> Result<()> {
    let files = tempfile::tempdir()?;
    let server = Server::start(Kind::Sleeps, place, files.path()).await?;
    let watch = place.bare(1, &[RUNNING]).await?;
    let watch = watch.first().context("no client to watch with")?;
    let mut runs = Vec::new();
    for _ in 0..options.times(RUNS) {
        runs.push(once(&server, watch).await?);
    }
    let mut tell = |what: &str, of: fn(&Run) -> f64| {
        let all: Vec<f64> = runs.iter().map(of).collect();
        for (part, name) in [(0.5, "median"), (0.9, "p90"), (1.0, "longest")] {
            report.further(CASE, format!("{what}, {name}"), quantile(&all, part), "ms");
        }
        quantile(&all, 1.0)
    };
    let stopped = tell("no statement runs on the server", |run| run.stopped);
    tell("every connection is back", |run| run.returned);
    let served = tell("the next client has its answer", |run| run.served);
    let lost: usize = runs.iter().map(|run| run.lost).sum();
    report.at_most(CASE, "ms until no statement runs, longest", stopped, BOUND);
    report.at_most(CASE, "ms until the next answer, longest", served, BOUND);
    report.at_most(CASE, "connections lost", lost as f64, 0.0);
    Ok(())
}

async fn once(server: &Server, watch: &Prepared) -> Result<Run> {
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(server.addr).await?;
        client.write_all(b"GET /sleep HTTP/1.1\r\nHost: bench\r\n\r\n").await?;
        clients.push(client);
    }
    let full = format!("{SLEEPERS} {}", CLIENTS - SLEEPERS);
    until("all wait", async || Ok(running(watch).await? == SLEEPERS && server.get("/pool").await? == full))
        .await?;

    let began = Instant::now();
    let since = || began.elapsed().as_secs_f64() * 1_000.0;
    drop(clients);
    let (served, stopped) = tokio::try_join!(
        async {
            ensure!(server.get("/now").await? == "1", "the next client had another answer");
            Ok(since())
        },
        async {
            until("no statement runs", async || Ok(running(watch).await? == 0)).await?;
            Ok(since())
        }
    )?;
    until("every connection is back", async || Ok(server.get("/pool").await? == "0 0")).await?;
    let returned = since();
    let lent: usize = server.get("/all").await?.parse()?;
    Ok(Run { stopped, returned, served, lost: SLEEPERS - lent })
}

/// How many of the statements run now, as the server tells it.
async fn running(watch: &Prepared) -> Result<usize> {
    let statement = watch.of(RUNNING).context("a statement that was not prepared")?;
    let count: i64 = watch.client.query_one(statement, &[]).await?.try_get(0)?;
    Ok(usize::try_from(count)?)
}

async fn until<F>(what: &str, mut is_so: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let end = Instant::now() + PATIENCE;
    while !is_so().await? {
        ensure!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        sleep(STEP).await;
    }
    Ok(())
}
