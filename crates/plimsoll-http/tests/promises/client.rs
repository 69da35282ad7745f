//! Clients that do what they are told, over HTTP/1.1 and HTTP/2: half a request, no reading, leaving.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks for a path with these headers, over HTTP/1.1, and reads the whole answer.
pub(crate) async fn get(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    raw(at, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n").as_bytes()).await
}

/// Sends these bytes and reads the whole answer.
pub(crate) async fn raw(at: SocketAddr, request: &[u8]) -> Answer {
    let mut wire = TcpStream::connect(at).await.unwrap();
    wire.write_all(request).await.unwrap();
    answer(&mut wire).await
}

/// Reads until the server closes.
pub(crate) async fn answer(wire: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    timeout(crate::service::PATIENCE, wire.read_to_end(&mut bytes)).await.expect("an answer").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    });
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

/// A way to leave in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Over HTTP/1.1: the socket is closed.
    Http1,
    /// Over HTTP/2: the socket is closed.
    Http2,
    /// Over HTTP/2: the stream is reset, and the connection goes on.
    Http2Reset,
}

pub(crate) const EACH: [Leaving; 3] = [Leaving::Http1, Leaving::Http2, Leaving::Http2Reset];

/// A client that has asked and not yet left.
pub(crate) struct Asking {
    /// What waits for the answer, and reads its first piece.
    reading: JoinHandle<()>,
    /// What moves the bytes.
    connection: JoinHandle<()>,
    first: tokio::sync::watch::Receiver<bool>,
    how: Leaving,
}

/// Asks for a path, and stays.
pub(crate) async fn ask(how: Leaving, at: SocketAddr, path: &str) -> Asking {
    let io = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let request =
        Request::get(format!("http://{at}{path}")).header("host", "x").body(Empty::<Bytes>::new()).unwrap();
    let (told, first) = tokio::sync::watch::channel(false);
    if how == Leaving::Http1 {
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let reading = tokio::spawn(async move { read(sender.send_request(request).await, told).await });
        return Asking { reading, connection, first, how };
    }
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let kept = sender.clone();
    let reading = tokio::spawn(async move {
        let _kept = kept;
        read(sender.send_request(request).await, told).await;
    });
    Asking { reading, connection, first, how }
}

async fn read(response: hyper::Result<Response<Incoming>>, told: tokio::sync::watch::Sender<bool>) {
    let Ok(mut response) = response else { return };
    while let Some(Ok(_)) = response.frame().await {
        told.send_replace(true);
    }
}

impl Asking {
    /// Waits until a piece of the answer has come.
    pub(crate) async fn first_piece(&mut self) {
        timeout(crate::service::PATIENCE, self.first.wait_for(|has_come| *has_come))
            .await
            .expect("a piece")
            .unwrap();
    }

    pub(crate) async fn leave(self) {
        if self.how == Leaving::Http2Reset {
            self.reading.abort();
            let _ = self.reading.await;
            // The connection goes on for as long as there is something to send.
            let _ = timeout(crate::service::PATIENCE, self.connection).await;
            return;
        }
        self.connection.abort();
        let _ = self.connection.await;
        self.reading.abort();
    }
}
