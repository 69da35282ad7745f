//! A pool of one connection behind a transaction pooler, on a wire that counts what is sent.

use crate::server;
use plimsoll::Database;
use plimsoll::settings::Limit;
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use plimsoll_faults::Proxy;

pub(super) struct CountedBehindAPooler {
    pub(super) db: Database,
    wire: Proxy,
    _pooler: PgBouncer,
    _server: TestDatabase,
}

impl CountedBehindAPooler {
    pub(super) async fn start(version: PgBouncerVersion) -> Self {
        let server = test_server::database().await.unwrap();
        let pooler = PgBouncer::in_front_of(&server)
            .version(version)
            .pool_mode(PoolMode::Transaction)
            .start()
            .await
            .unwrap();
        let wire = Proxy::in_front_of((pooler.host(), pooler.port())).await.unwrap();
        let settings = server::settings(&pooler.url(server.name()))
            .hosts(format!("127.0.0.1:{}", wire.port()))
            .pool_max(1)
            .heartbeat(Limit::Off);
        let db = Database::connect(settings).await.unwrap();
        CountedBehindAPooler { db, wire, _pooler: pooler, _server: server }
    }

    /// Messages to the pooler so far.
    pub(super) fn sent(&self) -> u64 {
        self.wire.wires().iter().map(|wire| wire.to_server.messages).sum()
    }
}
