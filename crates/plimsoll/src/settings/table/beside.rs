//! The settings of what goes on beside the calls: listeners and monitoring.
//!
//! `Settings` is one struct and is made of one list, which has grown too long for one file. So this is a macro that adds
//! its rows to those before them and hands all of them on.

macro_rules! with_beside {
    ($then:ident! { $($before:tt)* }) => {
        $then! {
            $($before)*

    section "Listeners" {
        /// A connection URL for listeners (`Database::listen`) alone, which must lead past a transaction pooler, because
        /// `LISTEN` belongs to a session and no client has one there. What it does not say (user, password, database,
        /// encryption, limits) is taken from the other settings.
        listen_url: ListenUrl, set by_hand, get by_hand, otherwise "none; listeners connect to `hosts`",
            also ["DATABASE_LISTEN_URL"];

        /// Silence on a listener's connection after which the server is asked for an answer, so that no firewall forgets
        /// the connection, and no server that ends idle sessions ends it (it must be below `idle_session_timeout`, where
        /// that is set). If the answer does not come within the same time again, the connection counts as lost, so a
        /// connection that leads nowhere is noticed after twice this time.
        listen_keepalive: Duration, default secs(10), range Range::Times(ms(20), hours(1));

        /// Notifications that a listener keeps for a reader that is slower than they come, each up to 8 kB. Those beyond
        /// are dropped, and the reader is told so by a `Gap`.
        listen_buffer: usize, default 1_000, range Range::Numbers(1, 1_000_000);
    }

    section "Monitoring" {
        /// Whether acquisitions, statements and leases are recorded: how many, how long, how many failed. With `false`
        /// everything else works the same. It can be switched while the program runs: `Database::monitor`.
        monitoring: bool, default true, also ["MONITORING_ENABLED"];

        /// How many of the latest acquisitions, and of the latest statements, means, percentiles and warnings are made
        /// of. What is older has no part in them, and stays in the totals and in the histograms.
        monitor_window: usize, default 1_000, range Range::Numbers(1, 1_000_000);

        /// A statement that takes longer than this is counted as slow.
        monitor_slow_after: Duration, default secs(1), range Range::Times(ms(1), hours(1));

        /// The name of the pool in metrics, its label `pool`. A program with several pools on one database gives each
        /// a name of its own.
        pool_name: String, set (impl Into<String>), get by_hand, default String::new(),
            otherwise "the first host, its port and the database, as in `db1:5432/app`";

        /// Looks for leases and requests that write more than once outside a transaction, where a failure in between leaves
        /// half of the work behind. With `dark` they are counted, with `on` an event and a line in the log name the two
        /// places as well. No call is refused. A request is what runs inside `request_id::within`.
        write_audit: Enforcement, default Enforcement::Dark;

        /// A file in which the monitor's totals are kept, so that they go on after a restart instead of beginning at
        /// zero. They are written every 10 s and when the pool is closed. Each pool needs a file of its own: one that
        /// another pool has is left alone, which the log tells, and is taken over when that pool has ended.
        monitor_counters: String, set (impl Into<String>), default String::new(),
            otherwise "none; the totals begin at zero";

        /// How long sessions must have waited for a lock before that is reported as an event, once for each pile-up; `off`
        /// for never. Pile-ups are kept for 15 minutes all the same: `Monitoring::lock_episodes`. They are watched on the
        /// heartbeat's connection, so not where `heartbeat` is off.
        lock_report_after: Limit, set (impl Into<Limit>), default limit(secs(2)), range Range::Times(ms(1), hours(24));

        /// A statement that takes longer than this goes to the slow log, which is `tracing` at the target
        /// `plimsoll::slow`: its text without constants, its parameters, who ran it, and how it ended. In each minute the
        /// first of a kind is logged whole, and those that follow are counted. Independent of `monitoring`; `off` for no
        /// slow log.
        slow_log_after: Limit, set (impl Into<Limit>), default limit(ms(500)), range Range::Times(ms(1), hours(1));

        /// What the slow log shows of a statement's parameters. With `by-type`, the values of numbers, booleans, dates,
        /// times and UUIDs, which tell most about a slow statement; of every other type, text and JSON among them, its
        /// name and the length, as `text(12 bytes)`. Where numbers are secrets too, `none`.
        slow_log_parameters: SlowParameters, default SlowParameters::ByType;

        /// Whether the plan of a slow statement is logged too, when it is logged whole: it is asked for with EXPLAIN,
        /// which does not run the statement, on a connection of the pool that no caller waits for, and its constants are
        /// taken out. Of a statement with parameters it is the generic plan, which PostgreSQL tells from version 16 on.
        slow_log_plan: bool, default false;
    }
        }
    };
}
pub(super) use with_beside;
