//! The table of faults: what each is, through which ways it can be played, and what calls are made meanwhile.

use crate::client::SIZE;
use crate::op::Op;
use crate::stage::Way;
use crate::work::Load;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing does.
    Calm,
    /// Connections are reset at any message and any byte, either way.
    WireCut,
    /// What commits is done, and its answer is cut off or comes too late.
    AnswerLost,
    /// Nothing passes and nothing is closed; one end is gone and the other is not told.
    Silence,
    /// The server stands still.
    ServerFrozen,
    /// A backend is killed, and the server ends all sessions and recovers.
    BackendKilled,
    /// The whole server is killed.
    ServerKilled,
    /// The server is stopped in each mode and started again.
    ServerStopped,
    /// One in ten sessions is cancelled or ended.
    EndedAtRandom,
    /// Callers leave at any await.
    CallerLeaves,
    /// The whole program is killed.
    ProgramKilled,
    /// Half of all calls come to their deadline.
    DeadlineStorm,
    /// Connections are given back inside a transaction.
    Poisoned,
    /// Others hold all connections that the server has.
    NoSlotsLeft,
    /// Everybody connects at once, slowly.
    ConnectStorm,
    /// The network is slow, loses, and hands on single bytes.
    SlowNetwork,
    /// Everybody wants one row, and somebody holds it.
    LockPileUp,
    /// The pooler reloads, pauses, reconnects and is restarted.
    PoolerRestarted,
    /// Another client of the same login leaves its settings and tables behind.
    ForeignState,
    /// Serializable transactions collide, and deadlock.
    Collisions,
    /// The server says that disk or memory is full, and sorts fail.
    ResourcesOut,
    /// The program itself stands still.
    ProgramStalled,
    /// Five times as many calls as can be served.
    Overload,
    /// The pool is shut down at any moment, and opened again.
    Shutdown,
    /// Tables change while they are written.
    SchemaChange,
    /// Cancels come to a pooler that does not know what they are for.
    CancelsAstray,
    /// A standby takes the place of its primary.
    Failover,
    /// Half of all connections lead to a standby that is behind.
    ReplicaLag,
    /// The server's address and the login's password change.
    AddressAndPassword,
    /// The program is stopped and goes on, and all its clocks have jumped.
    ClockJump,
}

/// How a second server follows the one that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follower {
    /// A commit is answered once the other has it too.
    Synchronous,
    /// Whenever it comes to it.
    Late,
}

const PATIENCE: &[u64] = &[5, 50, 300, 1_000];
const USUAL: Load = Load { ops: Op::MIX, workers: 6, beside: 0, patience: PATIENCE, leaves: false };

const WITH_POISON: &[Op] =
    &[Op::Poison, Op::Insert, Op::Transaction, Op::Resolvable, Op::Retrying, Op::Idempotent];
const WITH_HOT: &[Op] = &[Op::Hot, Op::Hot, Op::Hot, Op::Transaction, Op::Insert];
const WITH_LOCKED: &[Op] = &[Op::Locked, Op::Locked, Op::Insert, Op::Transaction, Op::Idempotent];
const WITH_SORT: &[Op] = &[Op::Sort, Op::Insert, Op::Transaction, Op::Retrying, Op::Idempotent, Op::Call];
const WITH_SLOW: &[Op] = &[
    Op::Slow,
    Op::Slow,
    Op::Slow,
    Op::Savepoint,
    Op::Pipelined,
    Op::Insert,
    Op::Transaction,
    Op::Resolvable,
];
const SLOW: &[Op] = &[Op::Slow, Op::Slow, Op::Slow, Op::Insert, Op::Transaction, Op::Retrying];

/// What happens, fault by fault.
const WORDS: &[(Fault, &str)] = &[
    (Fault::Calm, "nothing; deadlines are as short as everywhere"),
    (Fault::WireCut, "connections are reset or closed before, after and within any message, either way"),
    (
        Fault::AnswerLost,
        "COMMIT and statements are done, and the answer is cut off or comes after the deadline",
    ),
    (
        Fault::Silence,
        "nothing passes one way or both and nothing is closed; or one end is gone and the other is not told",
    ),
    (Fault::ServerFrozen, "every process of the server stands still for up to 1.2 s (SIGSTOP), then goes on"),
    (Fault::BackendKilled, "a backend is killed (SIGKILL), so the server ends all sessions and recovers"),
    (Fault::ServerKilled, "the whole server is killed (SIGKILL) and started again"),
    (Fault::ServerStopped, "the server is stopped in mode immediate, fast and smart, and started again"),
    (
        Fault::EndedAtRandom,
        "`pg_cancel_backend` and `pg_terminate_backend` on one in ten sessions, again and again",
    ),
    (
        Fault::CallerLeaves,
        "half of all calls are dropped after so many polls, connecting and rolling back included",
    ),
    (Fault::ProgramKilled, "the program is killed (SIGKILL) in the middle of its calls, and started again"),
    (Fault::DeadlineStorm, "half of all calls come to their deadline while the statement runs"),
    (Fault::Poisoned, "a sixth of all callers give a connection back after BEGIN and an INSERT"),
    (Fault::NoSlotsLeft, "others hold every connection of the server while the pools have to connect anew"),
    (
        Fault::ConnectStorm,
        "every connection is cut again and again, sixty callers want one, connecting takes 150 ms and more",
    ),
    (Fault::SlowNetwork, "50 +- 50 ms of latency, 1 % loss, 10 to 3000 bytes a second, single bytes"),
    (Fault::LockPileUp, "forty callers, most of whom want a row that somebody holds for up to 0.7 s"),
    (Fault::PoolerRestarted, "RELOAD, PAUSE and RESUME, RECONNECT, and the pooler killed and started again"),
    (
        Fault::ForeignState,
        "a stranger with the same login leaves a `search_path` and temporary tables on the pooler's sessions",
    ),
    (Fault::Collisions, "serializable transactions on three rows: 40001 and 40P01 by the hundred"),
    (
        Fault::ResourcesOut,
        "53100, 53200 and 58030 from one write in five, and sorts beyond `temp_file_limit`",
    ),
    (Fault::ProgramStalled, "every thread of the program is blocked for up to 1.5 s, again and again"),
    (Fault::Overload, "five times as many calls as the pool can serve, whatever became of the earlier ones"),
    (Fault::Shutdown, "the pool is closed in the middle of everything and another is opened"),
    (
        Fault::SchemaChange,
        "columns are added, dropped and retyped, in a transaction each, some of them held open",
    ),
    (
        Fault::CancelsAstray,
        "calls come to their deadlines through two poolers in turn that know nothing of each other, so every other cancel comes to the one that does not know it",
    ),
    (
        Fault::Failover,
        "the primary is killed and its synchronous standby takes its place, again and again: after it has gone, while both serve, or with callers there before it takes writes",
    ),
    (
        Fault::ReplicaLag,
        "every other connection leads to a standby that is behind (its replay is paused) and takes no writes",
    ),
    (
        Fault::AddressAndPassword,
        "the login's password changes and the server moves to another port; the program opens another pool with the new ones and closes the old one",
    ),
    (
        Fault::ClockJump,
        "the program is stopped for up to 2 s (SIGSTOP) and goes on, so that all its clocks have jumped",
    ),
];

impl Fault {
    /// Every one, in the order of the table.
    pub const ALL: &'static [Fault] = &[
        Fault::Calm,
        Fault::WireCut,
        Fault::AnswerLost,
        Fault::Silence,
        Fault::ServerFrozen,
        Fault::BackendKilled,
        Fault::ServerKilled,
        Fault::ServerStopped,
        Fault::EndedAtRandom,
        Fault::CallerLeaves,
        Fault::ProgramKilled,
        Fault::DeadlineStorm,
        Fault::Poisoned,
        Fault::NoSlotsLeft,
        Fault::ConnectStorm,
        Fault::SlowNetwork,
        Fault::LockPileUp,
        Fault::PoolerRestarted,
        Fault::ForeignState,
        Fault::Collisions,
        Fault::ResourcesOut,
        Fault::ProgramStalled,
        Fault::Overload,
        Fault::Shutdown,
        Fault::SchemaChange,
        Fault::CancelsAstray,
        Fault::Failover,
        Fault::ReplicaLag,
        Fault::AddressAndPassword,
        Fault::ClockJump,
    ];

    /// A short name that never changes its meaning.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Fault::Calm => "calm",
            Fault::WireCut => "wire-cut",
            Fault::AnswerLost => "answer-lost",
            Fault::Silence => "silence",
            Fault::ServerFrozen => "server-frozen",
            Fault::BackendKilled => "backend-killed",
            Fault::ServerKilled => "server-killed",
            Fault::ServerStopped => "server-stopped",
            Fault::EndedAtRandom => "ended-at-random",
            Fault::CallerLeaves => "caller-leaves",
            Fault::ProgramKilled => "program-killed",
            Fault::DeadlineStorm => "deadline-storm",
            Fault::Poisoned => "poisoned",
            Fault::NoSlotsLeft => "no-slots-left",
            Fault::ConnectStorm => "connect-storm",
            Fault::SlowNetwork => "slow-network",
            Fault::LockPileUp => "lock-pile-up",
            Fault::PoolerRestarted => "pooler-restarted",
            Fault::ForeignState => "foreign-state",
            Fault::Collisions => "collisions",
            Fault::ResourcesOut => "resources-out",
            Fault::ProgramStalled => "program-stalled",
            Fault::Overload => "overload",
            Fault::Shutdown => "shutdown",
            Fault::SchemaChange => "schema-change",
            Fault::CancelsAstray => "cancels-astray",
            Fault::Failover => "failover",
            Fault::ReplicaLag => "replica-lag",
            Fault::AddressAndPassword => "address-and-password",
            Fault::ClockJump => "clock-jump",
        }
    }

    /// What happens, in a line.
    #[must_use]
    pub fn words(self) -> &'static str {
        WORDS.iter().find(|(fault, _)| *fault == self).map_or("", |(_, words)| words)
    }

    /// Whether it can be played this way.
    #[must_use]
    pub fn goes(self, way: Way) -> bool {
        let needs_a_pooler =
            matches!(self, Fault::PoolerRestarted | Fault::ForeignState | Fault::CancelsAstray);
        !needs_a_pooler || way.pooler().is_some()
    }

    /// How many poolers stand behind a lane's one address, where there are any.
    pub(crate) fn poolers(self) -> usize {
        if self == Fault::CancelsAstray { 2 } else { 1 }
    }

    /// How another server follows, where there are two.
    pub(crate) fn follower(self) -> Option<Follower> {
        match self {
            Fault::Failover => Some(Follower::Synchronous),
            Fault::ReplicaLag => Some(Follower::Late),
            _ => None,
        }
    }

    /// What calls are made.
    pub(crate) fn load(self) -> Load {
        match self {
            Fault::CallerLeaves => Load { leaves: true, ..USUAL },
            Fault::CancelsAstray => Load { ops: WITH_SLOW, patience: &[20, 60, 150, 500], ..USUAL },
            Fault::DeadlineStorm => Load { ops: SLOW, patience: &[20, 60, 150], ..USUAL },
            Fault::Poisoned => Load { ops: WITH_POISON, patience: &[300, 1_000], ..USUAL },
            Fault::ConnectStorm => Load { workers: 60, patience: &[300, 1_000, 2_000], ..USUAL },
            Fault::LockPileUp => Load { ops: WITH_LOCKED, workers: 40, patience: &[300, 1_000], ..USUAL },
            Fault::Collisions => Load { ops: WITH_HOT, workers: 10, patience: &[300, 1_000], ..USUAL },
            Fault::ResourcesOut => Load { ops: WITH_SORT, patience: &[300, 1_000], ..USUAL },
            // Five connections that are held for a tenth of a second serve fifty calls in one.
            Fault::Overload => {
                Load { ops: SLOW, workers: 2, beside: 250, patience: &[500, 1_000], leaves: false }
            }
            Fault::SlowNetwork => Load { patience: &[50, 300, 1_000, 2_000], ..USUAL },
            _ => USUAL,
        }
    }

    /// What the server has to be like.
    pub(crate) fn server_settings(self, lanes: usize) -> Vec<(&'static str, String)> {
        match self {
            Fault::NoSlotsLeft => vec![("max_connections", (lanes * SIZE + 12).to_string())],
            Fault::ResourcesOut => vec![
                ("max_connections", "200".to_owned()),
                ("work_mem", "64kB".to_owned()),
                ("temp_file_limit", "256kB".to_owned()),
            ],
            _ => vec![("max_connections", "200".to_owned())],
        }
    }

    /// What the database has besides.
    pub(crate) fn schema(self) -> Option<&'static str> {
        match self {
            Fault::ResourcesOut => Some(
                "CREATE FUNCTION runs_out() RETURNS trigger LANGUAGE plpgsql AS $$
                 DECLARE codes text[] := ARRAY['53100', '53200', '58030'];
                 BEGIN
                     IF random() < 0.2 THEN
                         RAISE EXCEPTION 'no room left' USING ERRCODE = codes[1 + floor(random() * 3)::int];
                     END IF;
                     RETURN NEW;
                 END $$;
                 CREATE TRIGGER runs_out BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION runs_out();",
            ),
            Fault::ForeignState => {
                Some("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.entry (LIKE public.entry)")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_happens() {
        for fault in Fault::ALL {
            assert!(!fault.words().is_empty(), "{fault:?}");
        }
    }
}
