//! What is settled while a connection is being made, and cannot be put right afterwards: encryption and options.
//!
//! Encryption defaults by distance. Traffic that stays on this machine may go in the clear; traffic that leaves it is
//! encrypted and held against a certificate for the name that was dialled, because encryption to whoever answers keeps
//! out only those who do not answer. Whoever wants less says so, and a certificate that would not be looked at is
//! refused rather than carried along for the look of it.
//!
//! Startup options are the one channel by which a session can be told things beside our back. A limit said there would
//! be there twice, with two values, so it is sent to the setting that verifies it; and a transaction pooler either
//! refuses the whole connection for them or, told to ignore them, drops them without a word.

use super::host::Host;
use super::plan::TlsRoots;
use super::problem::{Problem, repeated};
use super::table::{Plan, Settings};
use super::words::{ChannelBinding, PoolerMode, TlsMode};

/// Limits that have a setting of their own, and so cannot be said as options.
const LIMITS: [&str; 5] = [
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "client_connection_check_interval",
];

/// Encryption: verified by name unless every host is this machine, and never weaker than what was asked beside it.
pub(super) fn tls(said: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    let is_local = plan.hosts.iter().all(Host::is_local) && said.sslrootcert.is_none();
    let mode = said.sslmode.unwrap_or(if is_local { TlsMode::Prefer } else { TlsMode::VerifyFull });
    plan.sslmode = mode;
    let mut refuse = |allowed, remedy| {
        problems.push(Problem::new("sslmode", mode.to_string(), allowed, remedy));
    };
    let verifies = matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
    if said.sslrootcert.is_some() && !verifies {
        refuse(
            "verify-ca or verify-full beside sslrootcert",
            "say sslmode=verify-full, or the certificate is not looked at",
        );
    }
    if mode == TlsMode::VerifyCa && plan.sslrootcert == TlsRoots::System {
        refuse(
            "verify-full with the system's roots",
            "say verify-full, since a public root vouches for anybody's server, or say sslrootcert",
        );
    }
    if mode == TlsMode::Disable && plan.channel_binding == ChannelBinding::Require {
        refuse(
            "any mode with encryption beside channel_binding=require",
            "say sslmode=verify-full or drop channel_binding",
        );
    }
}

/// Limits said a second time, and options where a pooler would refuse or quietly drop them.
pub(super) fn startup_options(options: &str, pooler: PoolerMode) -> Vec<Problem> {
    let mut problems = Vec::new();
    if pooler == PoolerMode::Transaction && !options.is_empty() {
        problems.push(Problem::new(
            "options",
            repeated(options),
            "nothing behind a transaction pooler, which refuses the connection for it",
            "set it for the role: ALTER ROLE … IN DATABASE … SET …",
        ));
    }
    let names = options.split_whitespace().filter_map(|word| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        word.split_once('=').map(|(name, _)| name.replace('-', "_").to_ascii_lowercase())
    });
    for name in names {
        if let Some(limit) = LIMITS.iter().find(|limit| **limit == name) {
            let remedy = format!("say the setting {limit} instead, which is verified on every connection");
            problems.push(Problem::new(
                "options",
                repeated(options),
                format!("anything but {limit}"),
                remedy,
            ));
        }
    }
    problems
}
