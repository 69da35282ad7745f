//! Which server: its role and its address, for errors, events and numbers.

use crate::error::Error;
use crate::fault::Fault;
use std::fmt;
use std::sync::Arc;

/// What a server is: the one that takes writes, or one that follows it and can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerRole {
    /// It takes writes.
    Primary,
    /// A hot standby: it follows a primary and can be read.
    Replica,
}

impl fmt::Display for ServerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerRole::Primary => "primary",
            ServerRole::Replica => "replica",
        })
    }
}

/// The place of a pool among the servers of one database: what it is used as, and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) role: ServerRole,
    /// Its hosts, as they were set.
    pub(crate) hosts: Arc<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role, self.hosts)
    }
}

impl Error {
    /// On which server it failed, where there are several: the primary, or a replica that a read was sent to. The sentence
    /// names the server. `None` where no replica is set, and for errors of the program's own.
    #[must_use]
    pub fn server_role(&self) -> Option<ServerRole> {
        self.0.role
    }

    /// Says on which server it failed, unless that is said already.
    pub(crate) fn at(mut self, place: Option<&Place>) -> Self {
        match place {
            Some(place) if self.0.role.is_none() && self.fault() != Fault::Aborted => {
                self.0.role = Some(place.role);
                self.and(format_args!("server: {place}"))
            }
            _ => self,
        }
    }
}
