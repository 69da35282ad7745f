//! What stands between a program and its server, and which of it can be had here.

use anyhow::Result;
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion};

/// What stands between a program and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Way {
    /// Nothing.
    Direct,
    /// PgBouncer in transaction mode, of the kind that knows nothing of prepared statements.
    PgBouncer118,
    /// PgBouncer in transaction mode, of the kind that tracks the names of prepared statements.
    PgBouncer124,
}

impl Way {
    /// All of them.
    pub const ALL: &'static [Way] = &[Way::Direct, Way::PgBouncer118, Way::PgBouncer124];

    /// As it is said on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::PgBouncer118 => "pgbouncer-1.18",
            Way::PgBouncer124 => "pgbouncer-1.24",
        }
    }

    /// Which PgBouncer that is.
    pub(crate) fn pooler(self) -> Option<PgBouncerVersion> {
        match self {
            Way::Direct => None,
            Way::PgBouncer118 => Some(PgBouncerVersion::V1_18),
            Way::PgBouncer124 => Some(PgBouncerVersion::V1_24),
        }
    }
}

/// The versions of the server and of the poolers that plays run on, in words; with those ways that can be played here,
/// and why the others cannot.
#[derive(Clone, Debug, Default)]
pub struct There {
    /// `PostgreSQL 15, PgBouncer 1.18.0`
    pub versions: String,
    /// Which can be played.
    pub ways: Vec<Way>,
    /// Which cannot, and why.
    pub missing: Vec<(Way, String)>,
}

impl There {
    /// Looks, by starting each.
    ///
    /// # Errors
    /// The server could not be started.
    ///
    /// # Cancel safety
    /// Dropped, nothing is left.
    pub async fn among(ways: &[Way]) -> Result<Self> {
        let cluster = Cluster::start().await?;
        let mut there = There { versions: format!("PostgreSQL {}", cluster.version()), ..There::default() };
        for way in ways {
            if let Some(version) = way.pooler() {
                match PgBouncer::in_front_of(&cluster).version(version).start().await {
                    Ok(pooler) => {
                        let rows = pooler.admin("SHOW VERSION").await?;
                        let said = rows.first().and_then(|row| row.values().next().cloned());
                        there.versions.push_str(&format!(", {}", said.unwrap_or_default()));
                    }
                    Err(error) => {
                        there.missing.push((*way, error.to_string()));
                        continue;
                    }
                }
            }
            there.ways.push(*way);
        }
        Ok(there)
    }
}
