//! Lending and giving back, with connections that cost nothing.
//!
//! One operation is: acquire, read a number out of the connection, give it back. With 1 and 2 tasks nothing is in the
//! way and nobody ever waits. With 64 and 256 tasks the holder lets others run once ([`crate::crowd::give_way`]) before
//! it gives back, the same for all: without that, no task would ever stop while it holds something, two threads would
//! never hold more than two of 16, and a queue of 256 would be a queue of none. (Those figures are printed as well, as
//! "nobody waits".) The time of one operation is the time of all divided by their number.
//!
//! How long a task waited is taken in passes of their own, because reading the clock twice costs as much as the
//! acquire.

use crate::crowd::{self, crowd, give_way};
use crate::noop::{self, Maker};
use crate::options::Options;
use crate::race::{Better, Figures};
use crate::report::Report;
use anyhow::Result;
use plimsoll::pool::{Ask, Pool};
use std::future::Future;
use std::hint::black_box;
use std::time::Instant;

const ABOUT: &str = "acquire + release, no-op connections, pool of 16; deadpool with its three time limits";

/// The case, its tasks, the operations of all of them in one round, and the most that ours may take of deadpool's time.
const CASES: [(&str, usize, usize, f64); 4] = [
    ("1 task", 1, 300_000, 0.4),
    ("2 tasks", 2, 300_000, 0.6),
    ("64 tasks", 64, 128_000, 0.7),
    ("256 tasks", 256, 128_000, 0.7),
];

/// A pool that can lend once.
trait Lender: Clone + Send + Sync + 'static {
    /// Acquire, let others run if `stay`, give back; the wait in nanoseconds if `clocked`, else nothing.
    fn once(&self, stay: bool, clocked: bool) -> impl Future<Output = Result<u64>> + Send;
}

/// The same few lines for each, so that all do the same; a closure would have to return what it borrows.
macro_rules! lender {
    ($pool:ty, |$this:ident| $acquire:expr) => {
        impl Lender for $pool {
            async fn once(&self, stay: bool, clocked: bool) -> Result<u64> {
                let $this = self;
                let began = clocked.then(Instant::now);
                let connection = $acquire.await?;
                let waited = began.map_or(0, |began| began.elapsed().as_nanos() as u64);
                black_box(connection.0);
                if stay {
                    give_way().await;
                }
                drop(connection);
                Ok(waited)
            }
        }
    };
}

lender!(Pool<Maker>, |pool| pool.acquire(Ask::here()));
lender!(deadpool::managed::Pool<Maker>, |pool| pool.get());
lender!(bb8::Pool<Maker>, |pool| pool.get());

/// What a crowd does in one round.
#[derive(Clone, Copy)]
struct Drill {
    tasks: usize,
    each: usize,
    stay: bool,
}

impl Drill {
    /// Nanoseconds for one operation.
    async fn cost(self, pool: &impl Lender) -> Result<f64> {
        let took = crowd::time(self.tasks, |_| {
            let pool = pool.clone();
            async move {
                for _ in 0..self.each {
                    pool.once(self.stay, false).await?;
                }
                Ok(())
            }
        })
        .await?;
        Ok(took.as_nanos() as f64 / (self.tasks * self.each) as f64)
    }

    /// The wait in microseconds that one in a thousand exceeds.
    async fn long_wait(self, pool: &impl Lender) -> Result<f64> {
        let (_, waits) = crowd(self.tasks, |_| {
            let pool = pool.clone();
            async move {
                let mut waits = Vec::with_capacity(self.each);
                for _ in 0..self.each {
                    waits.push(pool.once(self.stay, true).await?);
                }
                Ok(waits)
            }
        })
        .await?;
        let mut waits: Vec<u64> = waits.into_iter().flatten().collect();
        waits.sort_unstable();
        let at = waits.len() * 999 / 1000;
        Ok(waits.get(at).copied().unwrap_or_default() as f64 / 1000.0)
    }
}

pub async fn run(options: &Options) -> Result<Report> {
    let (ours, deadpool, bb8) = (noop::plimsoll().await?, noop::deadpool().await?, noop::bb8().await?);
    let mut report = Report::new("acquire", ABOUT);
    for (case, tasks, operations, bound) in CASES {
        let each = options.times(operations) / tasks;
        let is_crowded = tasks > noop::SIZE;
        let drill = Drill { tasks, each, stay: is_crowded };
        let figures = cost(drill, options, &ours, &deadpool, &bb8).await?;
        report.row(case, "ns", &figures);
        if let Some(paired) = figures.against("deadpool") {
            report.at_most(case, "time, of deadpool's", 1.0 / paired.ratio, bound);
        }
        if is_crowded {
            let idle = Drill { stay: false, ..drill };
            let figures = cost(idle, options, &ours, &deadpool, &bb8).await?;
            further(&mut report, case, "nobody waits", "ns", &figures);
            if let Some(paired) = figures.against("deadpool") {
                report.at_most(case, "time, of deadpool's, nobody waits", 1.0 / paired.ratio, bound);
            }
        }
        let waits = options
            .race(Better::Less)
            .with("plimsoll", || drill.long_wait(&ours))
            .with("deadpool", || drill.long_wait(&deadpool))
            .with("bb8", || drill.long_wait(&bb8))
            .run()
            .await?;
        further(&mut report, case, "p99.9 of the wait", "us", &waits);
        if let Some(paired) = waits.against("deadpool") {
            report.at_most(case, "p99.9 of the wait, of deadpool's", 1.0 / paired.ratio, 1.0);
        }
    }
    Ok(report)
}

async fn cost(
    drill: Drill,
    options: &Options,
    ours: &Pool<Maker>,
    deadpool: &deadpool::managed::Pool<Maker>,
    bb8: &bb8::Pool<Maker>,
) -> Result<Figures> {
    options
        .race(Better::Less)
        .with("plimsoll", || drill.cost(ours))
        .with("deadpool", || drill.cost(deadpool))
        .with("bb8", || drill.cost(bb8))
        .run()
        .await
}

fn further(report: &mut Report, case: &str, what: &str, unit: &'static str, figures: &Figures) {
    for name in ["plimsoll", "deadpool", "bb8"] {
        if let Some(value) = figures.median(name) {
            report.further(case, format!("{what}, {name}"), value, unit);
        }
    }
}
