//! The handle.
//!
//! The proxy runs on a thread of its own with a runtime of its own (and a second thread that keeps short waits): the
//! wire is no part of the program under test, so what the program does to its runtime (blocking it, dropping it) must
//! not reach the wire, and the other way round. Dropping the handle ends that runtime and waits for its thread, which
//! closes every socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::oneshot;

use crate::fault::{Cut, Fault};
use crate::pace::Clock;
use crate::report::WireReport;
use crate::state::SharedState;
use crate::wire;

/// After a failed accept (no file descriptors left, say) the next is tried this much later.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// A wire that can be broken: a proxy on 127.0.0.1 in front of a server on the same machine
/// ([`listening_at`](Proxy::listening_at) alone is for other places).
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<SharedState>,
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and carries every connection to `target`, which must be this machine.
    ///
    /// The target need not be up: a connection that cannot be carried on is reset, as if the server had gone.
    /// Dropped before it is done, this leaves nothing behind.
    pub async fn in_front_of(target: impl ToSocketAddrs) -> io::Result<Self> {
        Self::seeded(target, fastrand::u64(..)).await
    }

    /// The same, with dice that fall the same way each time: the n-th segment that connection c reads one way while the
    /// same faults are armed meets the same latency and the same losses. Which bytes make a segment is TCP's chance,
    /// but for a client and a server that wait for each other's messages.
    pub async fn seeded(target: impl ToSocketAddrs, seed: u64) -> io::Result<Self> {
        let targets: Vec<SocketAddr> = tokio::net::lookup_host(target).await?.collect();
        check(&targets)?;
        Self::begin((Ipv4Addr::LOCALHOST, 0).into(), targets, seed).await
    }

    /// For drills on a service that runs: listens at this address, and carries every connection to `target`, which may be
    /// another machine. Every program that reaches the address reaches the server, so it should be one that only the service reaches.
    ///
    /// # Errors
    /// The address cannot be listened at, or the target's name leads nowhere.
    ///
    /// # Cancel safety
    /// Dropped before it is done, this leaves nothing behind.
    pub async fn listening_at(listen: SocketAddr, target: impl ToSocketAddrs) -> io::Result<Self> {
        let targets: Vec<SocketAddr> = tokio::net::lookup_host(target).await?.collect();
        if targets.is_empty() {
            return Err(no_address());
        }
        Self::begin(listen, targets, fastrand::u64(..)).await
    }

    async fn begin(listen: SocketAddr, targets: Vec<SocketAddr>, seed: u64) -> io::Result<Self> {
        // The others are only other names for the same server.
        let target = targets.into_iter().take(1).collect();
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = SharedState::new(seed, target);
        let (stop, stopped) = oneshot::channel();
        let (tell, started) = oneshot::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("faults-{}", addr.port()))
            .spawn(move || run(listener, theirs, stopped, tell))?;
        let proxy = Self { shared, addr, stop: Some(stop), thread: Some(thread) };
        match started.await {
            Ok(started) => started.map(|()| proxy),
            Err(_) => Err(io::Error::other("the proxy's thread ended before it had begun")),
        }
    }

    /// Carries every connection that is accepted from now on to these servers of this machine, one after another in
    /// turn: one server after a failover, several behind a balancer that knows nothing of them. Connections that are
    /// open stay where they are; [`cut_all`](Self::cut_all) ends them.
    ///
    /// # Errors
    /// There is none, or one of them is on another machine; nothing has changed then.
    pub fn lead_to(&self, targets: impl IntoIterator<Item = SocketAddr>) -> io::Result<()> {
        let targets: Vec<SocketAddr> = targets.into_iter().collect();
        check(&targets)?;
        self.shared.lead_to(targets);
        Ok(())
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port on 127.0.0.1 at which it listens.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// What its dice were set to, to be told when a test fails, and given to [`seeded`](Self::seeded) to see it again.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Arms this fault and no other.
    pub fn set(&self, fault: Fault) {
        self.shared.arm(fault, false, true);
    }

    /// Arms this fault and no other, for the first connection that meets it; then the wire is whole again. (A
    /// fault that lasts, such as a delay, is met all the time and stays.)
    pub fn set_once(&self, fault: Fault) {
        self.shared.arm(fault, true, true);
    }

    /// Arms this fault beside those that are armed.
    pub fn add(&self, fault: Fault) {
        self.shared.arm(fault, false, false);
    }

    /// Arms this fault beside those that are armed, for the first connection that meets it.
    pub fn add_once(&self, fault: Fault) {
        self.shared.arm(fault, true, false);
    }

    /// Disarms every fault. What a blackhole held passes now. What is stalled stays so until [`resume`](Self::resume);
    /// what is delayed arrives when it was due; what is cut stays cut.
    pub fn clear(&self) {
        self.shared.disarm();
    }

    /// Makes the wire whole: disarms every fault, ends every stall, and lets everything that was held or is still on
    /// its way arrive now. A half-open connection is reset: its other end is gone, and now that is heard.
    pub fn heal(&self) {
        self.shared.heal();
    }

    /// Resets every connection that is open now; says how many that were.
    pub fn cut_all(&self) -> usize {
        self.shared.cut_all(Cut::Reset)
    }

    /// Closes every connection that is open now in order; says how many that were.
    pub fn close_all(&self) -> usize {
        self.shared.cut_all(Cut::Close)
    }

    /// Ends every connection that is open now in this way; says how many that were. One that is half open already is
    /// closed or reset.
    pub fn end_all(&self, how: Cut) -> usize {
        self.shared.cut_all(how)
    }

    /// Silences the wire: no byte, end or reset passes either way, on present connections and new ones.
    pub fn stall_all(&self) {
        self.shared.stall_all();
    }

    /// Ends every stall, whether from [`stall_all`](Self::stall_all) or from a fault. What had to wait passes now.
    pub fn resume(&self) {
        self.shared.resume();
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Connections that were ever accepted, refused ones among them.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted()
    }

    /// How often a fault has struck: a cut was made, a stall begun, a segment lost, a new
    /// connection refused or caught in a blackhole.
    pub fn struck(&self) -> u64 {
        self.shared.struck()
    }

    /// What has passed on each open connection, oldest first.
    pub fn wires(&self) -> Vec<WireReport> {
        self.shared.wires()
    }

    /// Waits until faults have struck this often, counted from the proxy's beginning. It has no limit of its own;
    /// dropped, it has changed nothing.
    pub async fn until_struck(&self, times: u64) {
        self.shared.until_struck(times).await;
    }

    /// Waits until exactly so many connections are open. It has no limit of its own; dropped, it has changed
    /// nothing.
    pub async fn until_connections(&self, count: usize) {
        self.shared.until_connections(count).await;
    }
}

impl Drop for Proxy {
    /// Closes every socket and waits for the thread, which takes well under a millisecond.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot be told anybody here that the thread had panicked; its sockets are closed all the same.
            let _ = thread.join();
        }
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the proxy's target has no address")
}

/// Whether these may be carried to.
fn check(targets: &[SocketAddr]) -> io::Result<()> {
    if targets.is_empty() {
        return Err(no_address());
    }
    match targets.iter().find(|addr| !addr.ip().is_loopback()) {
        None => Ok(()),
        Some(elsewhere) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the proxy stands in front of this machine's servers only: {elsewhere} is no loopback address"
            ),
        )),
    }
}

/// The thread: until the handle is dropped.
fn run(
    listener: std::net::TcpListener,
    shared: Arc<SharedState>,
    stopped: oneshot::Receiver<()>,
    tell: oneshot::Sender<io::Result<()>>,
) {
    std::thread::scope(|scope| {
        let _ends = EndsClock(&shared.clock);
        let clock = std::thread::Builder::new().name("faults-clock".to_owned());
        // What is left to be told here has nobody to be told to: the handle was dropped before this had begun.
        let _untold = match clock.spawn_scoped(scope, || shared.clock.run()) {
            Ok(_) => serve(listener, &shared, stopped, tell),
            Err(cause) => tell.send(Err(cause)),
        };
    });
}

/// Ends the clock's thread, for which the scope waits, however the other one ends.
struct EndsClock<'a>(&'a Clock);

impl Drop for EndsClock<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn serve(
    listener: std::net::TcpListener,
    shared: &Arc<SharedState>,
    stopped: oneshot::Receiver<()>,
    tell: oneshot::Sender<io::Result<()>>,
) -> Result<(), io::Result<()>> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return tell.send(Err(cause)),
    };
    runtime.block_on(async {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(cause) => return tell.send(Err(cause)),
        };
        tell.send(Ok(()))?;
        tokio::select! {
            _ = stopped => {}
            () = accept(listener, shared) => {}
        }
        Ok(())
    })
    // The runtime ends here, and with it every connection's task.
}

async fn accept(listener: TcpListener, shared: &Arc<SharedState>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => welcome(client, shared),
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// Carries the connection on, or closes it by dropping it.
fn welcome(client: TcpStream, shared: &Arc<SharedState>) {
    if let Some(id) = shared.accept() {
        tokio::spawn(wire::carry(Arc::clone(shared), id, client));
    }
}
