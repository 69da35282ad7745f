//! A dashboard on a port of its own, with a database of its own. The program `browser` begins with it too.

use crate::client::Answer;
use crate::service::{has_its_heartbeat, settings};
use axum::Router;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_http::serve::{StopBy, StopHandle};
use plimsoll_http::{DashboardOptions, Databases, Operators, ServeOptions, dashboard};
use std::net::SocketAddr;
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "the-token-of-anna-0123456789";

/// A dashboard at `/plimsoll` for one database, `main`.
pub(crate) struct Scene {
    pub(crate) at: SocketAddr,
    pub(crate) db: Database,
    pub(crate) fresh: TestDatabase,
    pub(crate) databases: Databases,
    pub(crate) stop: StopHandle,
}

pub(crate) fn operators() -> Operators {
    Operators::default().token("anna", &TOKEN.into()).unwrap()
}

/// Serves a router, until the handle stops it.
pub(crate) async fn serve(router: Router) -> (SocketAddr, StopHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), StopHandle::new());
    let options = ServeOptions { stop: StopBy::Handle(stop.clone()), ..ServeOptions::default() };
    tokio::spawn(async move { plimsoll_http::serve(listener, router, options).await.unwrap() });
    (at, stop)
}

impl Scene {
    pub(crate) async fn start(options: DashboardOptions) -> Self {
        Scene::start_with(options, &operators(), |settings| settings).await
    }

    pub(crate) async fn start_with(
        options: DashboardOptions,
        operators: &Operators,
        change: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        let fresh = test_server::database().await.unwrap();
        let db = Database::connect(change(settings(&fresh).await)).await.unwrap();
        has_its_heartbeat(&db, &fresh).await;
        let databases = Databases::new().and("main", &db);
        let router = Router::new().nest("/plimsoll", dashboard(&databases, operators, options));
        let (at, stop) = serve(router).await;
        Scene { at, db, fresh, databases, stop }
    }

    /// Acts as anna, by a program.
    pub(crate) async fn act(&self, action: &str, body: &str) -> Answer {
        let headers =
            [("authorization", format!("Bearer {TOKEN}")), ("x-plimsoll-action", action.to_owned())];
        self.post(action, &headers, body).await
    }

    pub(crate) async fn post(&self, action: &str, headers: &[(&str, String)], body: &str) -> Answer {
        let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "POST /plimsoll/actions/{action} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{head}\r\n{body}",
            body.len()
        );
        crate::client::raw(self.at, request.as_bytes()).await
    }

    pub(crate) async fn end(self) {
        self.stop.stop();
        self.db.close().await;
    }
}
