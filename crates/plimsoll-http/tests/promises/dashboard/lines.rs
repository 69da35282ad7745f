//! A reader of the stream.

use super::scene::TOKEN;
use crate::service::{PATIENCE, until};
use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A reader of the stream.
pub(super) struct Lines {
    response: Response<Incoming>,
    rest: Vec<u8>,
}

impl Lines {
    /// Reads as anna.
    pub(super) async fn of(at: SocketAddr, path: &str) -> Self {
        let lines = Lines::asked(at, path, Some(TOKEN)).await;
        assert_eq!(lines.response.status(), 200);
        lines
    }

    pub(super) async fn asked(at: SocketAddr, path: &str, token: Option<&str>) -> Self {
        let io = TokioIo::new(TcpStream::connect(at).await.unwrap());
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::get(path).header("host", at.to_string());
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        Lines { response: sender.send_request(request).await.unwrap(), rest: Vec::new() }
    }

    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = timeout(PATIENCE, self.response.frame()).await.expect("a piece of the stream");
            self.rest.extend(frame?.ok()?.into_data().unwrap());
        }
    }

    /// The rest of an answer that is no stream.
    pub(super) async fn whole(self) -> Value {
        let bytes = self.response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Reads views until one passes.
    pub(super) async fn until(&mut self, what: &str, passes: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        until(what, async || {
            found = self.next().await.filter(|line| passes(line));
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}
