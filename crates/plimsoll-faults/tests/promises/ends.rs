//! The two ends of a wire, both in the test's hand: a plain TCP client and a plain TCP server that speak as much of
//! PostgreSQL's protocol as framing needs.

use std::io;
use std::time::Duration;

use plimsoll_faults::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const QUIET: Duration = Duration::from_millis(60);

/// A server's listener with a proxy in front.
pub(crate) async fn wire() -> (TcpListener, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::in_front_of(listener.local_addr().unwrap()).await.unwrap();
    (listener, proxy)
}

/// A connection through the proxy: the client's end and the server's.
pub(crate) async fn connect(listener: &TcpListener, proxy: &Proxy) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.addr()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    (client, server)
}

/// The same, started up: the server has said that it is ready.
pub(crate) async fn connect_ready(listener: &TcpListener, proxy: &Proxy) -> (TcpStream, TcpStream) {
    let (mut client, mut server) = connect(listener, proxy).await;
    let hello = startup(196_608);
    client.write_all(&hello).await.unwrap();
    assert_eq!(read(&mut server, hello.len()).await, hello);
    let welcome = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
    server.write_all(&welcome).await.unwrap();
    assert_eq!(read(&mut client, welcome.len()).await, welcome);
    (client, server)
}

/// A start-up message with this code and nothing else.
pub(crate) fn startup(code: u32) -> Vec<u8> {
    [8_u32.to_be_bytes(), code.to_be_bytes()].concat()
}

/// A message with a type byte.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// A simple query.
pub(crate) fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

/// Exactly so many bytes.
pub(crate) async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Everything until the connection ends, and how it ended.
pub(crate) async fn read_out(stream: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await.map(|_| ());
    (bytes, ended)
}

/// Nothing comes: no byte, no end, no error. This is the one thing that only time can show.
pub(crate) async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(QUIET, stream.peek(&mut byte)).await.is_err()
}
