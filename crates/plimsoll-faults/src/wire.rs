//! Moves the bytes of one connection.
//!
//! Each way has a reader, which stamps what it reads with the time at which it is due, and a writer, which waits for
//! that time and then asks how much may pass. The queue between them is what makes a delay latency and not
//! throughput. Ends of stream and resets travel through the same queue: a stalled or slow wire does not tell them
//! any sooner than the bytes before them.
//!
//! All of it is one future. Dropping it closes both sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::course::Then;
use crate::fault::{Cut, Way};
use crate::shared::Shared;

const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction; beyond it the sender feels back pressure, as on a real link.
const IN_FLIGHT: usize = 256;

enum Parcel {
    Bytes(Bytes),
    EndOfStream,
    Broken,
}

/// Takes the connection out of the list however its future ends.
struct Listed {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.closed(self.id);
    }
}

/// Carries one accepted connection until it ends.
pub(crate) async fn carry(shared: Arc<Shared>, id: u64, mut client: TcpStream, target: SocketAddr) {
    let listed = Listed { shared, id };
    let shared = &listed.shared;
    let connected = tokio::select! {
        connected = TcpStream::connect(target) => connected.ok(),
        _ = shared.until_cut(id) => None,
    };
    let Some(mut server) = connected else {
        reset(&client);
        return;
    };
    // Without these the kernel would add delays of its own; failing to set them breaks nothing.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);

    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let ended = tokio::select! {
        how = shared.until_cut(id) => Err(how),
        ended = async {
            tokio::try_join!(
                pump(shared, id, Way::ToServer, from_client, to_server),
                pump(shared, id, Way::ToClient, from_server, to_client),
            )
        } => ended.map(|_| ()),
    };
    match ended {
        Ok(()) => {}
        Err(Cut::Reset) => {
            reset(&client);
            reset(&server);
        }
        Err(Cut::Close) => {
            close(&mut client).await;
            close(&mut server).await;
        }
    }
}

/// One way: until its stream has ended (`Ok`) or the whole connection has to (`Err`).
async fn pump(shared: &Shared, id: u64, way: Way, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), Cut> {
    let (into, out) = mpsc::channel(IN_FLIGHT);
    let reader = async {
        read(shared, way, from, into).await;
        std::future::pending().await
    };
    tokio::select! {
        ended = write(shared, id, way, out, to) => ended,
        never = reader => never,
    }
}

async fn read(shared: &Shared, way: Way, mut from: ReadHalf<'_>, into: mpsc::Sender<(Instant, Parcel)>) {
    let mut buffer = BytesMut::new();
    let mut last_due = Instant::now();
    loop {
        buffer.reserve(CHUNK);
        let parcel = match from.read_buf(&mut buffer).await {
            Ok(0) => Parcel::EndOfStream,
            Ok(_) => Parcel::Bytes(buffer.split().freeze()),
            Err(_) => Parcel::Broken,
        };
        // A delay that has been taken back lets nothing overtake what is on its way.
        last_due = last_due.max(Instant::now() + shared.delay(way));
        let last = !matches!(parcel, Parcel::Bytes(_));
        if into.send((last_due, parcel)).await.is_err() || last {
            return;
        }
    }
}

async fn write(
    shared: &Shared,
    id: u64,
    way: Way,
    mut out: mpsc::Receiver<(Instant, Parcel)>,
    mut to: WriteHalf<'_>,
) -> Result<(), Cut> {
    let mut waiting = BytesMut::new();
    while let Some((due, parcel)) = out.recv().await {
        shared.clock.until(due).await;
        match parcel {
            Parcel::Bytes(bytes) if waiting.is_empty() => {
                let rest = pass(shared, id, way, bytes, &mut to).await?;
                waiting.extend_from_slice(&rest);
            }
            Parcel::Bytes(bytes) => {
                waiting.extend_from_slice(&bytes);
                let rest = pass(shared, id, way, waiting.split().freeze(), &mut to).await?;
                waiting.extend_from_slice(&rest);
            }
            Parcel::EndOfStream => {
                shared.until_moving(id, way).await;
                to.write_all(&waiting).await.map_err(|_| Cut::Reset)?;
                return to.shutdown().await.map_err(|_| Cut::Reset);
            }
            Parcel::Broken => {
                shared.until_moving(id, way).await;
                return Err(Cut::Reset);
            }
        }
    }
    Err(Cut::Reset)
}

/// Lets pass what may; answers with what has to wait for more.
async fn pass(
    shared: &Shared,
    id: u64,
    way: Way,
    mut bytes: Bytes,
    to: &mut WriteHalf<'_>,
) -> Result<Bytes, Cut> {
    while bytes.has_remaining() {
        shared.until_moving(id, way).await;
        let step = shared.step(id, way, &bytes);
        let part = bytes.split_to(step.pass.min(bytes.len()));
        if step.deliver && !part.is_empty() {
            to.write_all(&part).await.map_err(|_| Cut::Reset)?;
        }
        match step.then {
            Then::Go | Then::Stall => {}
            Then::NeedMore => break,
            Then::Cut(how) => return Err(how),
        }
    }
    Ok(bytes)
}

/// Makes the coming close a reset.
fn reset(stream: &TcpStream) {
    // It fails only on a socket that is gone already.
    let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}

/// Ends the stream in order. What the peer has sent is read first: closing on unread bytes would be a reset.
async fn close(stream: &mut TcpStream) {
    let _ = stream.shutdown().await;
    let mut unread = [0; CHUNK];
    while stream.try_read(&mut unread).is_ok_and(|read| read > 0) {}
}
