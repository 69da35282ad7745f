//! What PgBouncer stands in front of.

use crate::cluster::Cluster;
use crate::test_server::{TestDatabase, TestServer};

/// The server that PgBouncer stands in front of, and as whom clients come.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
}

impl Upstream {
    /// Any server (such as a proxy in front of one).
    pub fn new(
        host: impl Into<String>,
        port: u16,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self { host: host.into(), port, user: user.into(), password: password.into() }
    }
}

impl From<&Cluster> for Upstream {
    fn from(cluster: &Cluster) -> Self {
        Self::new(cluster.host(), cluster.port(), cluster.superuser(), cluster.password())
    }
}

impl From<&TestServer> for Upstream {
    fn from(server: &TestServer) -> Self {
        Self::new(server.host(), server.port(), server.superuser(), server.password())
    }
}

impl From<&TestDatabase> for Upstream {
    fn from(database: &TestDatabase) -> Self {
        Self::from(database.server())
    }
}
