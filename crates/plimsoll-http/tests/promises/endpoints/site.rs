//! A service with nothing but its endpoints, and clients that ask it.

use crate::client::{Answer, raw};
use crate::service::{self, has_its_heartbeat, serve, until};
use axum::Router;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_http::{Databases, EndpointOptions, Operators, Options, endpoints, layers};
use std::net::SocketAddr;

pub(super) const TOKEN: &str = "0123456789abcdef-of-anna";
const OTHER: &str = "0123456789abcdef-of-nobody";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Operator,
    Stranger,
}

pub(super) struct Site {
    pub(super) at: SocketAddr,
    pub(super) databases: Databases,
}

impl Site {
    /// On these databases, with an operator.
    pub(super) async fn new(databases: &Databases, options: EndpointOptions) -> Self {
        let operators = Operators::default().token("anna", &TOKEN.into()).unwrap();
        Site::with(databases, &operators, options).await
    }

    pub(super) async fn with(databases: &Databases, operators: &Operators, options: EndpointOptions) -> Self {
        let router = Router::new()
            .merge(endpoints(databases, operators, options))
            .layer(layers(databases, Options::default()));
        Site { at: serve(router).await, databases: databases.clone() }
    }

    /// On a database of its own.
    pub(super) async fn start(options: EndpointOptions) -> (Self, Database, TestDatabase) {
        let (db, fresh) = database().await;
        (Site::new(&(&db).into(), options).await, db, fresh)
    }

    pub(super) async fn get(&self, who: Who, path: &str) -> Answer {
        self.send(who, "GET", path, "").await
    }

    /// Sends a request with further lines in its head.
    pub(super) async fn send(&self, who: Who, method: &str, path: &str, more: &str) -> Answer {
        let shown = match who {
            Who::Anyone => String::new(),
            Who::Operator => format!("Authorization: Bearer {TOKEN}\r\n"),
            Who::Stranger => format!("Authorization: Bearer {OTHER}\r\n"),
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.at);
        raw(self.at, format!("{head}{shown}{more}\r\n").as_bytes()).await
    }
}

/// A database of its own, with three connections at the most, and its heartbeat.
pub(super) async fn database() -> (Database, TestDatabase) {
    database_with(|settings| settings).await
}

pub(super) async fn database_with(change: impl FnOnce(Settings) -> Settings) -> (Database, TestDatabase) {
    let fresh = test_server::database().await.unwrap();
    let settings = service::settings(&fresh).await.pool_name("pool");
    let db = Database::connect(change(settings)).await.unwrap();
    has_its_heartbeat(&db, &fresh).await;
    until("the connections are counted", async || db.connection_budget().granted.is_some()).await;
    (db, fresh)
}
