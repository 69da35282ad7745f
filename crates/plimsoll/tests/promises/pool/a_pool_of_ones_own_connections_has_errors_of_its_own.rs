//! A pool lends whatever its `Manage` opens, and a `Manage` that is written outside says by itself why it cannot: the pool
//! tries again or gives up as its faults say, and its callers are told them.

use crate::server;
use plimsoll::pool::{Ask, Home, Manage, Pool, Verdict};
use plimsoll::{Error, Fault, Outcome, Phase, Settings};
use plimsoll_embedded::Cluster;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Opens sockets to a PostgreSQL server and asks on each whether it speaks TLS, which it answers by one byte.
struct Sockets {
    /// Where the first tries go, to which nothing listens.
    nowhere: SocketAddr,
    server: SocketAddr,
    /// Tries that go nowhere.
    vain: u32,
    /// What such a try is called.
    fault: Fault,
    tries: Arc<AtomicU32>,
}

impl Manage for Sockets {
    type Connection = TcpStream;
    type Handle = ();

    async fn connect(&self, _until: Instant) -> plimsoll::Result<TcpStream> {
        let nth = self.tries.fetch_add(1, Ordering::SeqCst);
        let to = if nth < self.vain { self.nowhere } else { self.server };
        let failed = |error: std::io::Error| {
            let sentence = format!("socket number {nth} to {to} could not be opened: {error}");
            Error::new(self.fault, Phase::Connect, Outcome::NotStarted, sentence).caused_by(error)
        };
        let mut socket = TcpStream::connect(to).await.map_err(failed)?;
        // The request for TLS, and the answer S or N.
        socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.map_err(failed)?;
        let answer = socket.read_u8().await.map_err(failed)?;
        assert!(matches!(answer, b'S' | b'N'), "{answer}");
        Ok(socket)
    }

    fn handle<'c>(&self, _connection: &'c TcpStream) -> &'c () {
        &()
    }

    fn is_dead(&self, (): &()) -> bool {
        false
    }

    fn is_busy(&self, (): &()) -> bool {
        false
    }

    fn progress(&self, (): &()) -> u64 {
        0
    }

    async fn check(&self, _connection: &mut TcpStream) -> plimsoll::Result<()> {
        Ok(())
    }

    fn verdict(&self, _connection: &mut TcpStream) -> Verdict {
        Verdict::Clean
    }

    fn reclaim(&self, connection: TcpStream, home: Home<Self>) {
        home.come_home(connection);
    }

    fn abandon(&self, (): &()) {}
}

/// A pool whose first tries are in vain, and how many there were.
async fn pool(cluster: &Cluster, vain: u32, fault: Fault) -> (Pool<Sockets>, Arc<AtomicU32>) {
    // A port of the system's choice that was just closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = closed.local_addr().unwrap();
    drop(closed);
    let server = SocketAddr::from(([127, 0, 0, 1], cluster.port()));
    let tries = Arc::new(AtomicU32::new(0));
    let sockets = Sockets { nowhere, server, vain, fault, tries: Arc::clone(&tries) };
    let settings = Settings::default().hosts("localhost").user("app").pool_min(0).pool_max(1);
    let plan = settings.pool_timeout(server::PATIENCE).check().unwrap();
    (Pool::new(sockets, &plan), tries)
}

#[tokio::test]
async fn what_heals_by_waiting_is_tried_until_it_does() {
    let cluster = Cluster::start().await.unwrap();
    let (pool, tries) = pool(&cluster, 2, Fault::Unreachable).await;
    let lease = pool.acquire(Ask::here()).await.unwrap();
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    drop(lease);
}

#[tokio::test]
async fn what_waiting_cannot_heal_ends_the_wait_with_its_own_words() {
    let cluster = Cluster::start().await.unwrap();
    let (pool, _tries) = pool(&cluster, u32::MAX, Fault::Authentication).await;
    let began = Instant::now();
    let Err(error) = pool.acquire(Ask::here()).await else { panic!("nothing listens there") };
    assert!(began.elapsed() < Duration::from_secs(5), "it was not waited for: {:?}", began.elapsed());
    assert_eq!((error.fault(), error.outcome()), (Fault::Authentication, Outcome::NotStarted), "{error}");
    assert!(error.to_string().contains("socket number 0 to 127.0.0.1:"), "{error}");
}

#[test]
fn an_error_keeps_its_source_and_tells_what_its_fault_tells() {
    let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let error = Error::new(Fault::Unreachable, Phase::Connect, Outcome::NotStarted, "socket 4 was refused");
    let error = error.caused_by(io);
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!((error.code(), error.phase()), ("PL-CON-01", Phase::Connect));
    assert!(error.may_run_again(), "nothing was begun, and it may heal");
    let text = error.to_string();
    assert!(text.starts_with("PL-CON-01 socket 4 was refused (outcome: not started"), "{text}");
}
