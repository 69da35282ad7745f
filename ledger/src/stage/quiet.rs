//! When nobody works on a server any more, so that what a look does not find cannot come later.
//!
//! A lock on the tables is not enough to wait for: it waits for sessions that have begun to write. A statement whose
//! program has been killed may still lie in a wire, in a pooler, or in the socket of a session that is not scheduled yet.
//! Such a session looks idle and holds no lock, and writes later. So what is waited for is that every connection of the
//! program has ended, at the proxy, at the pooler and at the server: a session ends only after it has done what had come
//! to it.

use super::{Stage, Track};
use anyhow::{Result, bail};
use plimsoll_embedded::{Cluster, PgBouncer};
use std::fmt;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long sessions may still work whose program has left, before they are ended.
const QUIET: Duration = Duration::from_secs(20);
/// How long sessions may take to end that were told to.
const ENDING: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What is not quiet yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Connections between the program and what it connects to.
    wires: usize,
    /// Sessions of the server, each with its process id and what it says that it does.
    sessions: Vec<String>,
}

impl Busy {
    fn is_quiet(&self) -> bool {
        *self == Busy::default()
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections under way, {} sessions", self.wires, self.sessions.len())?;
        if !self.sessions.is_empty() {
            write!(f, " ({})", self.sessions.join(", "))?;
        }
        Ok(())
    }
}

impl Stage {
    /// Waits until nothing of a lane is connected any more. Its pool is closed by now, and the pooler lets go of what it
    /// keeps. Sessions that stay are ended after 20 s, and the standard error says which they were.
    ///
    /// # Errors
    /// They do not end, and what is left is named; or the server does not answer.
    pub(crate) async fn quiet(&self, track: &Track) -> Result<()> {
        let database = track.lane.database();
        let began = Instant::now();
        let mut are_ended = false;
        loop {
            for pooler in &track.poolers {
                let_go(pooler, database).await;
            }
            let cluster = self.servers.primary();
            let sessions = sessions(&cluster, Some(database)).await?;
            let busy = Busy { wires: track.wire().connections(), sessions };
            if busy.is_quiet() {
                return Ok(());
            }
            let waited = began.elapsed();
            if waited > QUIET + ENDING {
                bail!("{waited:.0?} after its pool was closed there were still {busy}");
            }
            if waited > QUIET && !are_ended {
                eprintln!("{}: ended {waited:.0?} after its pool was closed: {busy}", track.lane.name());
                track.wire().cut_all();
                end(&cluster, Some(database)).await?;
                are_ended = true;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The same of every lane, and of whoever else is connected to the server.
    pub(super) async fn all_quiet(&self) -> Result<()> {
        let cluster = self.servers.primary();
        let until = Instant::now() + QUIET;
        loop {
            if sessions(&cluster, None).await?.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                end(&cluster, None).await?;
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// What a pooler keeps open for programs to come would look like a session that still has something to do. It closes
/// what is free now, and what is at work as soon as that has ended. One that is being started again has nothing to close.
async fn let_go(pooler: &PgBouncer, database: &str) {
    let _ = pooler.admin(&format!("RECONNECT {database}")).await;
}

/// A session that is only beginning has no database yet.
fn others(database: Option<&str>) -> String {
    let theirs = database.map(|name| format!("AND coalesce(datname, '{name}') = '{name}'"));
    format!(
        "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() {}",
        theirs.unwrap_or_default()
    )
}

async fn sessions(cluster: &Cluster, database: Option<&str>) -> Result<Vec<String>> {
    let sql = format!("SELECT pid || ' ' || coalesce(state, 'beginning') AS session {}", others(database));
    let rows = cluster.execute("postgres", &sql).await?;
    Ok(rows.iter().filter_map(|row| row.get("session").cloned()).collect())
}

async fn end(cluster: &Cluster, database: Option<&str>) -> Result<()> {
    let sql = format!("SELECT pg_terminate_backend(pid) {}", others(database));
    cluster.execute("postgres", &sql).await?;
    Ok(())
}
