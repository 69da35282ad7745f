//! Brings a fault on and ends it.
//!
//! What is done by SQL is done in sessions of this command's own, whose limits are set before anything is held: should this process
//! be killed, the server ends them. A fault that is dropped is over too: a session that is closed gives up what it holds.

use super::drill::Drill;
use super::options::Options;
use super::server::{Known, Server};
use anyhow::{Context, Result, bail, ensure};
use plimsoll::DirectConnection;
use plimsoll_faults::{Fault as WireFault, Proxy};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;

/// How long the server may take to act on a cancel.
const CANCEL: Duration = Duration::from_secs(2);

/// How long a session may take for each statement that takes the fault: its lock is waited for no longer than two seconds.
const TAKE: Duration = Duration::from_secs(5);

/// How many sessions are opened at one time.
const AT_ONCE: usize = 8;

/// How long a restart may take, with the command.
const RESTART: Duration = Duration::from_secs(300);

const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A fault that goes on.
pub(super) struct Fault<'a> {
    kind: Kind<'a>,
    /// What was done, with its numbers.
    pub(super) done: String,
    ends: Instant,
}

enum Kind<'a> {
    Holders(Vec<Holder>),
    /// They are held by being there.
    Connections(Vec<DirectConnection>),
    Wire(&'a Proxy),
    Restart(Box<(Child, Server)>),
}

/// A session in which a statement goes on.
struct Holder {
    session: Arc<DirectConnection>,
    running: JoinHandle<Result<(), tokio_postgres::Error>>,
}

/// What a fault needs.
pub(super) struct Means<'a> {
    pub(super) options: &'a Options,
    pub(super) server: &'a Server,
    pub(super) known: &'a Known,
    pub(super) proxy: Option<&'a Proxy>,
}

impl<'a> Means<'a> {
    /// Brings the fault on.
    ///
    /// # Errors
    /// It cannot be brought on; nothing is held then.
    ///
    /// # Cancel safety
    /// Dropped half-way, what was taken is given up.
    pub(super) async fn bring_on(&self, drill: Drill) -> Result<Fault<'a>> {
        let ends = Instant::now() + self.options.fault_for;
        let wire = || self.proxy.context("there is no proxy");
        let (kind, done) = match drill {
            Drill::SlowQuery | Drill::LockPileUp => self.hold(drill).await?,
            Drill::ConnectionExhaustion => self.exhaust(drill).await?,
            Drill::Freeze => {
                let proxy = wire()?;
                let many = proxy.connections();
                proxy.stall_all();
                (Kind::Wire(proxy), format!("{many} connections stand still"))
            }
            Drill::Cut => {
                let proxy = wire()?;
                (Kind::Wire(proxy), format!("{} connections were reset", proxy.cut_all()))
            }
            Drill::Restart => match &self.options.restart_command {
                Some(command) => {
                    let mut shell = Command::new("sh");
                    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::null());
                    let child = shell.spawn().context("the restart command cannot be started")?;
                    (
                        Kind::Restart(Box::new((child, self.server.clone()))),
                        format!("`{command}` was started"),
                    )
                }
                None => {
                    let proxy = wire()?;
                    proxy.set(WireFault::Refuse);
                    let many = proxy.cut_all();
                    (Kind::Wire(proxy), format!("{many} connections were reset, and new ones are refused"))
                }
            },
        };
        // What takes a moment to be taken lasts for its time from then on.
        let ends = match drill {
            Drill::Cut => ends - self.options.fault_for,
            Drill::ConnectionExhaustion => Instant::now() + self.options.fault_for,
            _ => ends,
        };
        Ok(Fault { kind, done, ends })
    }

    async fn hold(&self, drill: Drill) -> Result<(Kind<'a>, String)> {
        let many = match (drill, &self.options.table) {
            (Drill::SlowQuery, None) => self.options.sessions,
            _ => 1,
        };
        let mut holders = Vec::new();
        for _ in 0..many {
            let session = self.server.session().await?;
            // The server looks whether this command is still there, where the system allows it.
            let _ = session.client().batch_execute("SET client_connection_check_interval = '1s'").await;
            for statement in drill.takes(self.options) {
                let taken = timeout(TAKE, session.client().batch_execute(&statement)).await;
                let taken = taken.with_context(|| format!("no answer to {statement}"))?;
                taken.map_err(|error| not_taken(&statement, &error))?;
            }
            let session = Arc::new(session);
            let (theirs, statement) = (Arc::clone(&session), drill.holds(self.options));
            let running = tokio::spawn(async move { theirs.client().batch_execute(&statement).await });
            holders.push(Holder { session, running });
        }
        let pids: Vec<String> = holders.iter().map(|it| it.session.pid().to_string()).collect();
        let what = match (&self.options.table, drill) {
            (Some(table), Drill::LockPileUp) => format!("holds ACCESS EXCLUSIVE on {table}"),
            (Some(table), _) => format!("holds SHARE ROW EXCLUSIVE on {table}"),
            (None, _) => "computes".to_owned(),
        };
        Ok((Kind::Holders(holders), format!("session {} {what}", pids.join(", "))))
    }

    /// Opens what is left. Where the server would give this role the reserved connections too, they are counted and left.
    async fn exhaust(&self, drill: Drill) -> Result<(Kind<'a>, String)> {
        let looker = self.server.session().await?;
        let mut most = match self.known.may_take_reserved {
            true => self.server.free(&looker, self.known).await?,
            false => self.known.max_connections,
        };
        let bound = format!("SET idle_session_timeout = '{}ms'", drill.bound(self.options).as_millis());
        let mut sessions = Vec::new();
        let mut opening = JoinSet::new();
        let mut refused = None;
        loop {
            while opening.len() < AT_ONCE && most > 0 && refused.is_none() {
                let (server, bound) = (self.server.clone(), bound.clone());
                most -= 1;
                opening.spawn(async move {
                    let session = server.session().await?;
                    session.client().batch_execute(&bound).await?;
                    anyhow::Ok(session)
                });
            }
            match opening.join_next().await {
                None => break,
                Some(Ok(Ok(session))) => sessions.push(session),
                Some(Ok(Err(error))) => refused = Some(error),
                Some(Err(error)) => refused = Some(error.into()),
            }
        }
        if let Some(error) = refused.filter(|error| sessions.is_empty() || !is_full(error)) {
            return Err(
                error.context("no more connections could be opened, for another reason than their number")
            );
        }
        ensure!(!sessions.is_empty(), "the server has no connection left to take");
        let done = format!(
            "{} connections were taken, {} are left reserved",
            sessions.len() + 1,
            self.known.reserved
        );
        sessions.push(looker);
        Ok((Kind::Connections(sessions), done))
    }
}

/// 53300: no connection left, of the server, of the database or of the role.
fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let code = cause.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
        let fault = cause.downcast_ref::<plimsoll::Error>().map(plimsoll::Error::fault);
        code == Some(&SqlState::TOO_MANY_CONNECTIONS) || fault == Some(plimsoll::Fault::TooManyConnections)
    })
}

fn not_taken(statement: &str, error: &tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(said) if *said.code() == SqlState::LOCK_NOT_AVAILABLE => {
            anyhow::anyhow!(
                "other sessions hold the table, and did not let go of it within 2 s ({statement})"
            )
        }
        Some(said) => {
            anyhow::anyhow!("the server refuses {statement}: {} ({})", said.message(), said.code().code())
        }
        None => anyhow::anyhow!("the connection was lost at {statement}"),
    }
}

impl Fault<'_> {
    /// Waits until it has lasted for its time.
    ///
    /// # Errors
    /// It ended before, or a restart failed.
    ///
    /// # Cancel safety
    /// Dropped, the fault goes on.
    pub(super) async fn until_over(&mut self) -> Result<()> {
        match &mut self.kind {
            Kind::Holders(holders) => {
                for holder in holders {
                    let ended = (&mut holder.running).await.context("the session of the drill")?;
                    // The server's own limit comes two seconds after the end.
                    ended.context("the session of the drill was ended before its time")?;
                }
                Ok(())
            }
            Kind::Restart(restart) => {
                let (child, server) = restart.as_mut();
                let until = Instant::now() + RESTART;
                let ended = timeout(RESTART, child.wait()).await;
                let status = ended.context("the restart command has not ended after 5 minutes")??;
                ensure!(status.success(), "the restart command failed ({status})");
                while server.session().await.is_err() {
                    if Instant::now() > until {
                        bail!("the database does not answer after its restart");
                    }
                    sleep(LOOK_AGAIN).await;
                }
                Ok(())
            }
            Kind::Connections(_) | Kind::Wire(_) => {
                tokio::time::sleep_until(self.ends).await;
                Ok(())
            }
        }
    }

    /// Ends it, and waits until that is so.
    pub(super) async fn end(self) {
        match self.kind {
            Kind::Holders(holders) => {
                for holder in holders {
                    if !holder.running.is_finished() {
                        // Without it, the session ends with its connection.
                        let _ = holder.session.cancel(CANCEL).await;
                        let _ = timeout(CANCEL, holder.running).await;
                    }
                    let _ = timeout(CANCEL, holder.session.client().batch_execute("ROLLBACK")).await;
                }
            }
            Kind::Connections(sessions) => drop(sessions),
            Kind::Wire(proxy) => proxy.heal(),
            // It is not this command's to stop a restart half-way.
            Kind::Restart(..) => {}
        }
    }
}
