//! The getters of [`Plan`] that are more than one value of the settings table, and their types.
//!
//! Only [`Settings::check`](super::Settings::check) hands out a [`Plan`], so its reader need not ask whether `pool_min`
//! is above `pool_max`, whether the server's limit on a statement ends before the client's, or whether a default still
//! applies: each value is final. "No limit" is `None`.
//!
//! Values that the program did not set are already derived from those that it set (a statement limit of 60 s brings a
//! client limit of 62 s and a transaction limit of 120 s), so no reader derives them a second time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::Host;
use super::table::Plan;
use super::words::{ReplicaFallback, TargetSessionAttrs, TlsMode};
use crate::secret::Password;

/// The certificates against which a server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsRoots {
    /// The operating system's.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

impl TlsRoots {
    /// The roots that a path stands for; the word `system` stands for the operating system's.
    pub(super) fn at(path: PathBuf) -> Self {
        if path == Path::new("system") { Self::System } else { Self::File(path) }
    }
}

/// How the kernel finds out whether the peer of an idle connection still exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Keepalives {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Silence between probes.
    pub interval: Duration,
    /// Unanswered probes before the connection is given up.
    pub count: u32,
}

/// What is more than one value of the table, or has another name there.
impl Plan {
    /// The servers, in the order in which they are tried; never empty, each with its port.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The servers that reads may go to, each with its port; empty where there are none.
    pub fn replica_hosts(&self) -> &[Host] {
        &self.replica_hosts
    }

    /// How many of the primary's connections reads may hold together that no replica may serve.
    pub fn replica_fallback_cap(&self) -> usize {
        match self.replica_fallback {
            ReplicaFallback::Refuse => 0,
            ReplicaFallback::Primary if self.replica_fallback_share <= 0.0 => 0,
            // A float that is too large becomes the largest number.
            ReplicaFallback::Primary => {
                ((self.pool_total() as f64 * self.replica_fallback_share) as usize).max(1)
            }
        }
    }

    /// The password, if there is one.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// The file in which the password is looked for, unless [`password`](Self::password) gives one.
    pub fn passfile(&self) -> Option<&Path> {
        (!self.passfile.is_empty()).then(|| Path::new(&self.passfile))
    }

    /// Encryption (`sslmode`), as the check decided it: a mode that depends on the hosts is settled.
    pub fn tls(&self) -> TlsMode {
        self.sslmode
    }

    /// The certificates against which the server's is verified (`sslrootcert`), by `verify-ca` and `verify-full`,
    /// and by `require` if they are a file.
    pub fn tls_roots(&self) -> &TlsRoots {
        &self.sslrootcert
    }

    /// TCP keepalives, or none.
    pub fn keepalives(&self) -> Option<Keepalives> {
        let (interval, count) = (self.keepalives_interval, self.keepalives_count);
        self.keepalives_idle.duration().map(|idle| Keepalives { idle, interval, count })
    }

    /// The most connections that there can be: `pool_max` and `max_overflow` together.
    pub fn pool_total(&self) -> usize {
        self.pool_max.saturating_add(self.max_overflow)
    }

    /// The name of the pool in metrics. It names no user and holds no secret.
    pub fn pool_name(&self) -> String {
        if !self.pool_name.is_empty() {
            return self.pool_name.clone();
        }
        let host = self.hosts.first().map(|host| host.clone().at_port(host.port()).to_string());
        format!("{}/{}", host.unwrap_or_default(), self.dbname)
    }

    /// Whether a host has one of the ports that poolers use: the last hint where `pooler` is `auto`.
    pub fn has_pooler_port(&self) -> bool {
        self.hosts.iter().any(Host::has_pooler_port)
    }

    /// The same plan under another name in `pg_stat_activity`.
    pub(crate) fn shown_as(&self, application_name: String) -> Self {
        Plan { application_name, ..self.clone() }
    }

    /// The same plan for the pool of one replica, whatever role that server has at the moment.
    pub(crate) fn for_replica(&self, host: Host) -> Self {
        let target_session_attrs = TargetSessionAttrs::Any;
        Plan { hosts: vec![host], replica_hosts: Vec::new(), target_session_attrs, ..self.clone() }
    }
}
