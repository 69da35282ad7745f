//! A receiver of webhooks: a small HTTP server that writes down what it gets and answers as it is told.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn key(&self) -> &str {
        &self.headers["idempotency-key"]
    }
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with this status and these header lines, each with its line end.
    Status(u16, &'static str),
    /// The same after a while.
    Slow(Duration, u16),
    /// Takes the request, and says nothing for as long as the other side waits.
    Silence,
    /// Says something that is no HTTP, without an end.
    Flood,
}

#[derive(Default)]
struct Book {
    received: Vec<Received>,
    /// By key: those that are being answered.
    open: HashMap<String, usize>,
    most_open: usize,
}

pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    book: Arc<Mutex<Book>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Starts one that answers its nth request, from 0 on, as it is told.
    pub(crate) async fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, book, reply) =
            (listener.local_addr().unwrap(), Arc::<Mutex<Book>>::default(), Arc::new(reply));
        let kept = Arc::clone(&book);
        let task = tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                tokio::spawn(serve(wire, Arc::clone(&kept), Arc::clone(&reply)));
            }
        });
        Receiver { addr, book, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/alerts?token=hidden", self.addr)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.book.lock().unwrap().received.clone()
    }

    /// The most requests with one key that were under way at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.book.lock().unwrap().most_open
    }
}

/// Reads a request; nothing when the other side leaves before its end.
async fn read(wire: &mut BufReader<&mut TcpStream>) -> Option<Received> {
    let mut line = String::new();
    wire.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        wire.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    wire.read_exact(&mut body).await.ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).unwrap() })
}

async fn serve(mut wire: TcpStream, book: Arc<Mutex<Book>>, reply: Arc<impl Fn(usize) -> Reply>) {
    let Some(request) = read(&mut BufReader::new(&mut wire)).await else { return };
    let key = request.headers.get("idempotency-key").cloned().unwrap_or_default();
    let reply = {
        let mut book = book.lock().unwrap();
        let number = book.received.len();
        book.received.push(request);
        let open = book.open.entry(key.clone()).or_default();
        *open += 1;
        let open = *open;
        book.most_open = book.most_open.max(open);
        reply(number)
    };
    let answer =
        |status: u16, lines: &str| format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\n{lines}\r\nok");
    match reply {
        Reply::Status(status, lines) => drop(wire.write_all(answer(status, lines).as_bytes()).await),
        Reply::Slow(after, status) => {
            tokio::time::sleep(after).await;
            let _ = wire.write_all(answer(status, "").as_bytes()).await;
        }
        Reply::Silence => {
            // Until the other side goes away.
            let _ = wire.read(&mut [0; 1]).await;
        }
        Reply::Flood => {
            let _ = wire.write_all(b"HTTP/1.1 200 x\r\n").await;
            while wire.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    }
    *book.lock().unwrap().open.get_mut(&key).unwrap() -= 1;
}
