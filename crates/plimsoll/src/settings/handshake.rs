//! Encryption and startup options: decided while a connection is opened, and fixed afterwards.
//!
//! The default of encryption depends on the distance. Traffic that stays on this machine may be in the clear. Traffic
//! that leaves it is encrypted, and the certificate is verified for the name that was dialled, because encryption
//! without verification protects only against an attacker who listens, not against one who answers. A program that
//! wants less sets it explicitly. `require` beside a file of roots verifies as `verify-ca` does, as libpq has it. A
//! certificate that would not be looked at is refused, because it would only seem to protect.
//!
//! Startup options can change a session without the knowledge of this library. A limit among them would exist twice,
//! with two values, so such an option is refused in favour of the setting, which is verified. And a transaction pooler
//! either refuses the whole connection because of them, or drops them silently if it is configured to ignore them.

use super::host::Host;
use super::plan::TlsRoots;
use super::problem::{Problem, printable};
use super::table::{Plan, Settings};
use super::words::{ChannelBinding, PoolerMode, TlsMode};

/// Limits that have a setting of their own, and are refused as options.
const LIMITS: [&str; 5] = [
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "client_connection_check_interval",
];

/// Decides `sslmode`: verified by name unless every host is this machine, and refused if it is too weak for the
/// settings beside it.
pub(super) fn tls(given: &Settings, plan: &mut Plan, problems: &mut Vec<Problem>) {
    let is_local =
        plan.hosts.iter().chain(&plan.replica_hosts).all(Host::is_local) && given.sslrootcert.is_none();
    let mode = given.sslmode.unwrap_or(if is_local { TlsMode::Prefer } else { TlsMode::VerifyFull });
    plan.sslmode = mode;
    let mut refuse = |allowed, remedy| {
        problems.push(Problem::new("sslmode", mode.to_string(), allowed, remedy));
    };
    if given.sslrootcert.is_some() && matches!(mode, TlsMode::Disable | TlsMode::Prefer) {
        refuse(
            "require, verify-ca or verify-full beside sslrootcert",
            "say sslmode=verify-full: prefer connects in the clear where the certificate does not verify, and disable does \
             not look at it",
        );
    }
    let names_system = given.sslrootcert == Some(TlsRoots::System);
    let is_weak = mode == TlsMode::VerifyCa || mode == TlsMode::Require && names_system;
    if is_weak && plan.sslrootcert == TlsRoots::System {
        refuse(
            "verify-full with the system's roots",
            "say verify-full, since a public root vouches for anybody's server, or name a file by sslrootcert",
        );
    }
    if mode == TlsMode::Disable && plan.channel_binding == ChannelBinding::Require {
        refuse(
            "any mode with encryption beside channel_binding=require",
            "say sslmode=verify-full or drop channel_binding",
        );
    }
}

/// The problems of startup options: limits among them, and any option behind a transaction pooler.
pub(super) fn startup_options(options: &str, pooler: PoolerMode) -> Vec<Problem> {
    let mut problems = Vec::new();
    if pooler == PoolerMode::Transaction && !options.is_empty() {
        problems.push(
            Problem::new(
                "options",
                printable(options),
                "nothing behind a transaction pooler, which refuses the connection for it",
                "set it for the role: ALTER ROLE … IN DATABASE … SET …",
            )
            .about("options"),
        );
    }
    let names = options.split_whitespace().filter_map(|word| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        word.split_once('=').map(|(name, _)| name.replace('-', "_").to_ascii_lowercase())
    });
    for name in names {
        if let Some(limit) = LIMITS.iter().find(|limit| **limit == name) {
            let remedy = format!("say the setting {limit} instead, which is verified on every connection");
            problems.push(
                Problem::new("options", printable(options), format!("anything but {limit}"), remedy)
                    .about("options"),
            );
        }
    }
    problems
}
