//! A process that stands still.
//!
//! A server that has crashed tells everybody at once: the kernel resets its connections. A server that merely stands
//! still (a virtual machine that is paused, a disk that hangs, a host that swaps) tells nobody: its sockets stay
//! open, its kernel goes on acknowledging, and only a deadline of one's own notices. SIGSTOP makes exactly that.
//!
//! PostgreSQL is many processes: stopping the postmaster alone leaves every backend answering. So the whole tree is
//! stopped, from the top: whoever stands still starts no more children, so after each round the children can be
//! listed, and when a round finds none that is new, all are still. A grandchild whose own parent has exited belongs to
//! another process by then and is not found; PostgreSQL has none.
//!
//! What could go wrong with signals is worse than a failed test, so there are guards: process 0, process 1, this
//! process and whatever no process id can be are refused, and before each signal the birth of the process is compared
//! with the one it had when it was attached to, since ids come round again. And a test that panics leaves nothing
//! frozen, for dropping a [`Process`] thaws it.

mod error;
mod seen;

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal};

pub use error::ProcessError;
use seen::Id;

/// How long a process may take to stop or to die, unless said otherwise.
const LIMIT: Duration = Duration::from_secs(5);
/// The kernel tells nobody but its parent that a process has stopped; everybody else has to look, this often.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
struct Held {
    /// Whom a stop was sent, parents before their children.
    stopped: Vec<Id>,
    /// How often everything was let go.
    thaws: u64,
}

/// Somebody else's process, to be frozen, thawed and killed. Linux only.
///
/// Dropped, it is thawed.
#[derive(Debug)]
pub struct Process {
    root: Id,
    tree: bool,
    limit: Duration,
    held: Mutex<Held>,
}

impl Process {
    /// This process alone.
    pub fn attach(pid: u32) -> Result<Self, ProcessError> {
        may_be_signalled(pid)?;
        if !seen::is_supported() {
            return Err(ProcessError::Unsupported);
        }
        let root = seen::find(pid).ok_or(ProcessError::Gone { pid })?;
        Ok(Self { root, tree: false, limit: LIMIT, held: Mutex::default() })
    }

    /// This process and all of its descendants, those that it has now and those that it will have: for PostgreSQL,
    /// with the postmaster's id, the whole server.
    pub fn attach_tree(pid: u32) -> Result<Self, ProcessError> {
        let mut process = Self::attach(pid)?;
        if seen::is_above_this_process(pid) {
            return Err(ProcessError::Forbidden { pid, why: "this process is among its descendants" });
        }
        process.tree = true;
        Ok(process)
    }

    /// Gives its processes this long to stop or to die, instead of 5 s.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The id that was handed over.
    pub fn pid(&self) -> u32 {
        self.root.pid
    }

    /// The ids that belong to it now: its own first, then its descendants' if they were asked for.
    pub fn pids(&self) -> Vec<u32> {
        self.members().into_iter().map(|(id, _)| id.pid).collect()
    }

    /// Whether it lives: it exists, is no zombie, and is the process that was attached to.
    pub fn is_alive(&self) -> bool {
        seen::lives(self.root)
    }

    /// Whether it has been frozen and not thawed since, at least in part.
    pub fn is_frozen(&self) -> bool {
        !self.held.lock().stopped.is_empty()
    }

    /// Stops it (SIGSTOP), and returns how many processes stand still once every thread of every one does.
    ///
    /// After an error nothing is frozen. Dropped before it is done, what was stopped by then stays so until
    /// [`thaw`](Self::thaw) or the drop of the `Process`.
    pub async fn freeze(&self) -> Result<usize, ProcessError> {
        let frozen = self.stop().await;
        if frozen.is_err() {
            // The first error says more than one that follows from it.
            let _ = self.thaw();
        }
        frozen
    }

    /// Lets everything that was stopped go on (SIGCONT), at once, children before their parents, who then find them
    /// where they left them. Does nothing if it is not frozen.
    pub fn thaw(&self) -> Result<(), ProcessError> {
        let stopped = {
            let mut held = self.held.lock();
            held.thaws += 1;
            std::mem::take(&mut held.stopped)
        };
        let mut thawed = Ok(());
        for id in stopped.into_iter().rev() {
            thawed = thawed.and(signal(id, Signal::CONT).map(drop));
        }
        thawed
    }

    /// Kills it (SIGKILL), descendants first if they were asked for, and returns how many were killed once all are dead
    /// (a zombie is). It is stopped before, so that none escapes by being born meanwhile.
    ///
    /// Dropped before it is done, some may be dead, and the others frozen until [`thaw`](Self::thaw) or the drop.
    pub async fn kill(&self) -> Result<usize, ProcessError> {
        match self.stop().await {
            // One that takes no signal now takes this one too as soon as it takes any.
            Ok(_) | Err(ProcessError::Late { .. }) => {}
            Err(other) => {
                let _ = self.thaw();
                return Err(other);
            }
        }
        let doomed: Vec<Id> = self.held.lock().stopped.iter().rev().copied().collect();
        let mut killed = 0;
        for id in &doomed {
            killed += usize::from(signal(*id, Signal::KILL)?);
        }
        self.until(&doomed, "dead", seen::living, Instant::now()).await?;
        self.held.lock().stopped.clear();
        Ok(killed)
    }

    async fn stop(&self) -> Result<usize, ProcessError> {
        let began = Instant::now();
        let thaws = self.held.lock().thaws;
        if !seen::lives(self.root) {
            return Err(ProcessError::Gone { pid: self.root.pid });
        }
        let mut found = vec![self.root];
        while !found.is_empty() {
            for id in std::mem::take(&mut found) {
                let mut held = self.held.lock();
                if held.thaws != thaws {
                    return Err(ProcessError::Thawed { pid: self.root.pid });
                }
                if signal(id, Signal::STOP)? && !held.stopped.contains(&id) {
                    held.stopped.push(id);
                }
            }
            let stopped = self.held.lock().stopped.clone();
            self.until(&stopped, "stopped", seen::moving, began).await?;
            let members = self.members();
            if members.iter().any(|(id, _)| id.pid == std::process::id()) {
                let why = "this process is among its descendants";
                return Err(ProcessError::Forbidden { pid: self.root.pid, why });
            }
            // One generation a round: a parent in the middle of a vfork stops only when its child has moved on.
            let still = |pid: u32| stopped.iter().any(|id| id.pid == pid);
            let new = members.into_iter().filter(|(id, parent)| !stopped.contains(id) && still(*parent));
            found = new.map(|(id, _)| id).collect();
        }
        let mut held = self.held.lock();
        held.stopped.retain(|id| seen::lives(*id));
        Ok(held.stopped.len())
    }

    /// Who belongs to it, and each one's parent (its own does not matter).
    fn members(&self) -> Vec<(Id, u32)> {
        let mut members = Vec::from_iter(seen::lives(self.root).then_some((self.root, 0)));
        if self.tree && !members.is_empty() {
            members.extend(seen::descendants(self.root));
        }
        members
    }

    /// Waits until `left` says of none of them that it is still in another state.
    async fn until(
        &self,
        ids: &[Id],
        wanted: &'static str,
        left: impl Fn(Id) -> Option<char>,
        began: Instant,
    ) -> Result<(), ProcessError> {
        while let Some((id, state)) = ids.iter().find_map(|id| Some((id, left(*id)?))) {
            if began.elapsed() >= self.limit {
                return Err(ProcessError::Late { pid: id.pid, wanted, state, limit: self.limit });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    /// Thaws it.
    fn drop(&mut self) {
        // There is nobody to tell, and nothing else to try.
        let _ = self.thaw();
    }
}

fn may_be_signalled(pid: u32) -> Result<Pid, ProcessError> {
    let why = match i32::try_from(pid) {
        Ok(0) => "0 means every process of this one's group",
        Ok(1) => "it is the first process, on which all the others depend",
        Ok(_) if pid == std::process::id() => "it is this process",
        Ok(raw) => match Pid::from_raw(raw) {
            Some(pid) => return Ok(pid),
            None => "it is no process id",
        },
        Err(_) => "as a process id it would be negative, which means a whole group",
    };
    Err(ProcessError::Forbidden { pid, why })
}

/// Sends a signal to the process that this was; says whether it was there to receive it.
fn signal(id: Id, signal: Signal) -> Result<bool, ProcessError> {
    let pid = may_be_signalled(id.pid)?;
    if !seen::lives(id) {
        return Ok(false);
    }
    match rustix::process::kill_process(pid, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(cause) => Err(ProcessError::Refused { pid: id.pid, cause: cause.into() }),
    }
}
