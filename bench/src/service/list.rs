//! A load on a list of devices with tag filters, at a rate that is asked for.
//!
//! ```text
//! bench list [--rate N] [--seconds N] [--devices N] [--json]                          on a service of its own
//! bench list --url http://HOST:PORT --token TOKEN [--path PATH].. [--rate N] [--seconds N] [--json]
//! ```
//!
//! The load is open: requests are made by a schedule that no answer moves, as the people outside do not wait for each other. The
//! time of a request runs from the moment at which the schedule has it, not from the one at which it could be sent. Otherwise a
//! service that stands still for a second would have one slow request there and none of the hundred that should have been made
//! meanwhile ("coordinated omission"), and its percentiles would hide the second. Both times are told; where they differ, the
//! service, or this program, was not able to keep the rate.
//!
//! Each request has a connection that no other uses at that time; it is kept for the next.

use super::Fleet;
use super::client::{Client, get};
use crate::race::quantile;
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

pub const USAGE: &str = "\
usage: bench list [--rate N] [--seconds N] [--devices N] [--json]
       bench list --url http://HOST:PORT --token TOKEN [--path PATH].. [--rate N] [--seconds N] [--json]

  GET /customer/devices with tag filters, at a fixed rate, and how long the answers took

  --rate N      requests a second (200)
  --seconds N   for so long (30)
  --devices N   devices of the service that is started for it (10000)
  --url, --token  a service that runs already, and an access token of a tenant
  --path PATH   what is asked, by turns, instead of the usual filters; may be said several times
  --json        one JSON object on the standard output";

/// What is asked, by turns: a page with one tag, with two, with a state besides, and by a text.
const PATHS: [&str; 4] = [
    "/customer/devices?limit=50&tag=t1",
    "/customer/devices?limit=50&tag=t2&tag=odd",
    "/customer/devices?limit=50&tag=t3&status=ACTIVE&state=ONLINE",
    "/customer/devices?limit=50&tags=t4,odd&search=pump",
];

/// Every device has one of ten tags, and each second one is odd.
const DEVICES: &str = "
    INSERT INTO device_registry (tenant_id, device_id, site_id, status, name)
    SELECT 'test', 'd' || to_char(n, 'FM0000000'), 'default', 'ACTIVE', 'Pump ' || n FROM generate_series(1, {count}) n;
    INSERT INTO device_tags (tenant_id, device_id, tag)
    SELECT 'test', 'd' || to_char(n, 'FM0000000'), t FROM generate_series(1, {count}) n,
           LATERAL unnest(CASE n % 2 WHEN 1 THEN ARRAY['t' || n % 10, 'odd'] ELSE ARRAY['t' || n % 10] END) t;
    INSERT INTO device_state (tenant_id, device_id, last_seen_at)
    SELECT 'test', 'd' || to_char(n, 'FM0000000'), now() - make_interval(secs => n % 3000) FROM generate_series(1, {count}) n;
    ANALYZE device_registry; ANALYZE device_tags; ANALYZE device_state";

/// Beyond it a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that may be under way; beyond it the service is so far behind that more of them tell nothing.
const MOST: usize = 10_000;

#[derive(Debug)]
struct Asked {
    rate: f64,
    seconds: u64,
    devices: u32,
    target: Option<(SocketAddr, String)>,
    paths: Vec<String>,
    json: bool,
}

/// A request; times in milliseconds.
struct Sample {
    /// From the moment at which it should have been made.
    since_due: f64,
    /// From the moment at which it was.
    since_sent: f64,
    /// Its status, or what it failed with.
    result: Result<u16, &'static str>,
}

/// What is told.
#[derive(Debug, Serialize, PartialEq)]
struct Told {
    rate_asked: f64,
    rate_answered: f64,
    requests: usize,
    failed: usize,
    by_result: BTreeMap<String, usize>,
    /// Milliseconds from the moment of the schedule, of requests that were answered 200.
    from_schedule_ms: Percentiles,
    /// The same from the moment at which each was sent.
    from_send_ms: Percentiles,
}

#[derive(Debug, Serialize, PartialEq)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// Runs it; fails where a request was not answered 200.
pub async fn run(args: &[String]) -> Result<ExitCode> {
    let Some(asked) = Asked::of(args)? else {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let told = match &asked.target {
        Some((addr, token)) => load(*addr, token, &asked).await?,
        None => {
            eprintln!("bench list: a service with {} devices ..", asked.devices);
            let fleet = Fleet::start().await?;
            fleet.execute(&DEVICES.replace("{count}", &asked.devices.to_string())).await?;
            let told = load(fleet.addr(), &fleet.credentials.access_token, &asked).await;
            fleet.stop().await?;
            told?
        }
    };
    match asked.json {
        true => println!("{}", serde_json::to_string(&told)?),
        false => println!("{}", told.text()),
    }
    Ok(if told.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Asked {
    /// `None` where help was asked for.
    fn of(args: &[String]) -> Result<Option<Self>> {
        let (mut url, mut token) = (None, None);
        let mut asked =
            Asked { rate: 200.0, seconds: 30, devices: 10_000, target: None, paths: Vec::new(), json: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| anyhow!("{arg} needs a value\n\n{USAGE}"));
            match arg.as_str() {
                "--rate" => asked.rate = number(arg, &value()?, 100_000)?.into(),
                "--seconds" => asked.seconds = number(arg, &value()?, 86_400)?.into(),
                "--devices" => asked.devices = number(arg, &value()?, 5_000_000)?,
                "--url" => url = Some(value()?),
                "--token" => token = Some(value()?),
                "--path" => asked.paths.push(value()?),
                "--json" => asked.json = true,
                "-h" | "--help" => return Ok(None),
                _ => bail!("{arg:?} is not known\n\n{USAGE}"),
            }
        }
        asked.target = match (url, token) {
            (Some(url), Some(token)) => Some((addr(&url)?, token)),
            (None, None) => None,
            _ => bail!("--url and --token belong together\n\n{USAGE}"),
        };
        if asked.paths.is_empty() {
            asked.paths = PATHS.map(str::to_owned).to_vec();
        }
        Ok(Some(asked))
    }
}

fn number(arg: &str, text: &str, most: u32) -> Result<u32> {
    let found = text.parse().ok().filter(|found| (1..=most).contains(found));
    found.ok_or_else(|| anyhow!("{arg} takes a whole number from 1 to {most}, not {text:?}"))
}

fn addr(url: &str) -> Result<SocketAddr> {
    let host = url.strip_prefix("http://").context("the URL begins with http://; no other is spoken here")?;
    let host = host.trim_end_matches('/');
    let mut found = host.to_socket_addrs().with_context(|| format!("{host} is no host and port"))?;
    found.next().with_context(|| format!("{host} has no address"))
}

/// Connections that are not in use.
#[derive(Default)]
struct Kept(Mutex<Vec<Client>>);

impl Kept {
    fn take(&self) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, client: Client) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    async fn ask(&self, addr: SocketAddr, request: &[u8]) -> Result<u16> {
        let mut client = match self.take() {
            Some(client) => client,
            None => Client::connect(addr).await?,
        };
        let status = client.ask(request).await?;
        self.give_back(client);
        Ok(status)
    }
}

/// The whole load. A question before it tells whether it is worth while, and warms up.
async fn load(addr: SocketAddr, token: &str, asked: &Asked) -> Result<Told> {
    let requests: Vec<Arc<Vec<u8>>> = asked.paths.iter().map(|path| Arc::new(get(path, token))).collect();
    let kept = Arc::new(Kept::default());
    for (request, path) in requests.iter().zip(&asked.paths) {
        let status = kept.ask(addr, request).await?;
        ensure!(status == 200, "{path} was answered {status}");
    }
    let total = (asked.rate * asked.seconds as f64) as usize;
    let (kept, rate) = (Arc::clone(&kept), asked.rate);
    // In a task of its own: what is spawned from inside the runtime need not wake another thread first.
    let (samples, took) = tokio::spawn(async move {
        let (began, mut under_way, mut samples) = (Instant::now(), JoinSet::new(), Vec::with_capacity(total));
        for (number, request) in (0..total).zip(requests.iter().cycle()) {
            let due = began + Duration::from_secs_f64(number as f64 / rate);
            sleep_until(due.into()).await;
            while let Some(sample) = under_way.try_join_next() {
                samples.push(sample?);
            }
            ensure!(
                under_way.len() < MOST,
                "{MOST} requests wait for an answer, after {number} of {total}: the service does not keep this rate"
            );
            let (kept, request) = (Arc::clone(&kept), Arc::clone(request));
            under_way.spawn(async move { one(&kept, addr, &request, due).await });
        }
        while let Some(sample) = under_way.join_next().await {
            samples.push(sample?);
        }
        Ok::<_, anyhow::Error>((samples, began.elapsed()))
    })
    .await??;
    Ok(Told::of(&samples, asked.rate, took))
}

async fn one(kept: &Kept, addr: SocketAddr, request: &[u8], due: Instant) -> Sample {
    let sent = Instant::now();
    let result = match timeout(PATIENCE, kept.ask(addr, request)).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(_)) => Err("no answer"),
        Err(_) => Err("no answer in a minute"),
    };
    let ms = |from: Instant| from.elapsed().as_secs_f64() * 1000.0;
    Sample { since_due: ms(due), since_sent: ms(sent), result }
}

impl Told {
    fn of(samples: &[Sample], rate: f64, took: Duration) -> Self {
        let good = || samples.iter().filter(|sample| sample.result == Ok(200));
        let mut by_result = BTreeMap::new();
        for sample in samples {
            let result = sample.result.map_or_else(str::to_owned, |status| status.to_string());
            *by_result.entry(result).or_default() += 1;
        }
        let answered = good().count();
        Told {
            rate_asked: rate,
            rate_answered: answered as f64 / took.as_secs_f64(),
            requests: samples.len(),
            failed: samples.len() - answered,
            by_result,
            from_schedule_ms: Percentiles::of(good().map(|sample| sample.since_due)),
            from_send_ms: Percentiles::of(good().map(|sample| sample.since_sent)),
        }
    }

    fn text(&self) -> String {
        let results: Vec<String> =
            self.by_result.iter().map(|(result, count)| format!("{result}: {count}")).collect();
        let line = |name: &str, Percentiles { p50, p90, p99, p999, max }: &Percentiles| {
            format!("  {name:<22}{p50:>10.2}{p90:>10.2}{p99:>10.2}{p999:>10.2}{max:>10.2}")
        };
        format!(
            "\nlist: {} requests, {:.0} a second asked for, {:.1} answered; {}\n\n  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}\n{}\n{}",
            self.requests,
            self.rate_asked,
            self.rate_answered,
            results.join(", "),
            "ms",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "max",
            line("from the schedule", &self.from_schedule_ms),
            line("from the sending", &self.from_send_ms),
        )
    }
}

impl Percentiles {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let at = |part| if values.is_empty() { 0.0 } else { quantile(&values, part) };
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn asked(args: &[&str]) -> Result<Option<Asked>> {
        Asked::of(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let usual = asked(&[]).unwrap().unwrap();
        assert_eq!((usual.seconds, usual.paths.len(), usual.target.is_none()), (30, 4, true));
        let other =
            asked(&["--url", "http://127.0.0.1:8080/", "--token", "t", "--path", "/a", "--rate", "7"]);
        let other = other.unwrap().unwrap();
        assert_eq!(other.target, Some(("127.0.0.1:8080".parse().unwrap(), "t".to_owned())));
        assert_eq!((other.rate.to_string(), other.paths), ("7".to_owned(), vec!["/a".to_owned()]));
        assert!(asked(&["--help"]).unwrap().is_none());
        for wrong in [&["--rate", "0"][..], &["--url", "http://127.0.0.1:1"], &["--seconds"], &["--rte", "1"]]
        {
            asked(wrong).unwrap_err();
        }
        assert!(addr("https://127.0.0.1:1").is_err());
    }

    /// A service that serves one connection after the other stands still for a second, so the requests of that second wait. Timed
    /// from the sending, they would look as quick as ever where they share what was held up.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_in_which_nothing_was_served_is_in_the_percentiles() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let began = Instant::now();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut read = [0; 1024];
                    while stream.read(&mut read).await.is_ok_and(|count| count > 0) {
                        let pause = Duration::from_millis(500)..Duration::from_millis(1500);
                        if pause.contains(&began.elapsed()) {
                            sleep_until((began + pause.end).into()).await;
                        }
                        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let args = ["--rate", "100", "--seconds", "2", "--path", "/"];
        let told = load(addr, "t", &asked(&args).unwrap().unwrap()).await.unwrap();
        assert_eq!((told.requests, told.failed), (200, 0), "{told:?}");
        // Half of the requests fall into the second, and wait half of it on average.
        let Percentiles { p90, max, .. } = told.from_schedule_ms;
        assert!(p90 > 500.0 && max > 900.0, "{told:?}");
        serving.abort();
    }

    #[test]
    fn what_failed_is_counted_and_not_timed() {
        let sample = |since_due, result| Sample { since_due, since_sent: since_due / 2.0, result };
        let samples = [
            sample(10.0, Ok(200)),
            sample(30.0, Ok(200)),
            sample(1.0, Ok(503)),
            sample(9.0, Err("no answer")),
        ];
        let told = Told::of(&samples, 2.0, Duration::from_secs(2));
        assert_eq!((told.requests, told.failed, told.rate_answered.to_string()), (4, 2, "1".to_owned()));
        assert_eq!((told.from_schedule_ms.p50, told.from_send_ms.max), (20.0, 15.0));
        assert_eq!(told.by_result["503"], 1);
        assert!(told.text().contains("no answer: 1"));
    }
}
