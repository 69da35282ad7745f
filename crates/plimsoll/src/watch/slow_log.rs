//! Tells what the slow log has counted once its minute is over, and asks for the plans of slow statements.
//!
//! A plan is asked for only on request, and one at a time: a database whose statements are slow has enough to do. EXPLAIN
//! without ANALYZE does not run the statement, but waits for locks as the statement would; so the whole has a short limit,
//! and the connection is one of the pool that no caller waits for, never the heartbeat's, whose silence means an outage.

use crate::call::builder::Call;
use crate::call::database::Database;
use crate::call::postgres::Postgres;
use crate::call::retry::Retries;
use crate::call::server::Server;
use crate::call::statement::slow::{slow, tell_more};
use crate::error::Result;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::pool::{Inner, Pool, Priority};
use crate::record::slow_log::PlanWanted;
use crate::rules::plan;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::SimpleQueryMessage;

const EVERY: Duration = Duration::from_secs(1);

/// How long a plan may take, with the wait for a connection and for locks.
const LIMIT: Duration = Duration::from_secs(1);

/// From this version on the server tells the plan of a statement whose parameters it does not know.
const HAS_GENERIC_PLANS: u32 = 160_000;

/// Begins to look after the slow log of this handle, if it has one.
pub(super) fn start(db: &Database, plans: Receiver<PlanWanted>) {
    let Database { pool, server, retries } = db;
    if !server.slow_log.is_off() {
        let run = run(Arc::downgrade(&pool.inner), Arc::clone(server), Arc::clone(retries), plans);
        server.runtime.spawn(run);
    }
}

/// Runs until the pool is gone or closed, and tells then what was not told yet.
async fn run(
    pool: Weak<Inner<Postgres>>,
    server: Arc<Server>,
    retries: Arc<Retries>,
    mut plans: Receiver<PlanWanted>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let wanted = tokio::select! {
            _ = ticks.tick() => None,
            Some(wanted) = plans.recv(), if server.slow_log.wants_plans() => Some(wanted),
        };
        let Some(inner) = pool.upgrade().filter(|inner| !inner.slots.lock().is_closed()) else { break };
        server.slow_log.due(Moment::now()).iter().for_each(tell_more);
        if let Some(wanted) = wanted {
            let (server, retries) = (Arc::clone(&server), Arc::clone(&retries));
            tell_plan(&Database { pool: Pool { inner }, server, retries }, &wanted).await;
        }
    }
    server.slow_log.rest().iter().for_each(tell_more);
}

/// Asks for a plan and logs it. The text of an error may hold a constant, so only its code is logged.
async fn tell_plan(db: &Database, wanted: &PlanWanted) {
    let answer = ask(db, wanted).await;
    let fingerprint = format_args!("{:016x}", wanted.fingerprint);
    match answer {
        Ok(Some(json)) => match plan::shown(&json) {
            Some(plan) => slow!(%fingerprint, plan, "plan of a slow statement"),
            None => slow!(%fingerprint, "no plan of a slow statement: the server's answer is not understood"),
        },
        Ok(None) => {
            slow!(%fingerprint, "no plan of a slow statement: it has parameters, and the server is older than 16")
        }
        Err(error) => slow!(
            %fingerprint, code = error.code(),
            sqlstate = error.sqlstate().map(|code| tracing::field::display(code.code().to_owned())),
            "no plan of a slow statement: the server gave none within {:.1} s", LIMIT.as_secs_f64()
        ),
    }
}

async fn ask(db: &Database, wanted: &PlanWanted) -> Result<Option<String>> {
    let call = Call::new(db, WorkName::given("plan of a slow statement"));
    let lease = call.priority(Priority::Low).within(LIMIT).acquire().await?;
    let generic = match wanted.has_parameters {
        true if lease.server_version() < HAS_GENERIC_PLANS => return Ok(None),
        true => ", GENERIC_PLAN",
        false => "",
    };
    let sql = format!("EXPLAIN (FORMAT JSON{generic}) {}", wanted.text);
    // Not as a prepared statement: that wants values for the parameters, and the plan would be one for these values. The
    // text was read: it is one statement, whichever way the session reads strings.
    let messages = lease.simple_query(&sql).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
