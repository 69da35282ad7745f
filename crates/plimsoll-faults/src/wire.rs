//! Moves the bytes of one connection.
//!
//! Each way has a reader, which stamps what it reads with the time at which it is due, and a writer, which waits for
//! that time and then asks how much may pass. The queue between them is what makes a delay latency and not
//! throughput. Only what narrows the way (a throttle, slices) makes the writer wait piece by piece. Ends of stream and resets travel through the same queue: a stalled or slow wire does not tell them
//! any sooner than the bytes before them.
//!
//! All of it is one future. Dropping it closes both sockets.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::course::Then;
use crate::ending;
use crate::fault::{Cut, Way};
use crate::shape::{self, Flow};
use crate::state::SharedState;

/// How many bytes are read at a time.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction; beyond it the sender feels back pressure, as on a real link.
const IN_FLIGHT: usize = 256;

enum Parcel {
    Bytes(Bytes),
    EndOfStream,
    Broken,
}

/// A parcel on its way.
struct Sent {
    due: Instant,
    /// How often the wire had been healed by then: what was sent before a heal waits no longer.
    heals: u64,
    parcel: Parcel,
}

impl Parcel {
    /// The first segment, and the rest.
    fn split(self, at: usize) -> (Self, Option<Self>) {
        match self {
            Parcel::Bytes(mut bytes) if bytes.len() > at => {
                let first = bytes.split_to(at);
                (Parcel::Bytes(first), Some(Parcel::Bytes(bytes)))
            }
            whole => (whole, None),
        }
    }
}

/// Takes the connection out of the list however its future ends.
struct Listed {
    shared: Arc<SharedState>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.closed(self.id);
    }
}

/// Carries one accepted connection until it ends.
pub(crate) async fn carry(shared: Arc<SharedState>, id: u64, mut client: TcpStream) {
    let listed = Listed { shared, id };
    let shared = &listed.shared;
    let connected = tokio::select! {
        connected = async {
            shared.until_reachable().await;
            TcpStream::connect(shared.target(id)?).await.ok()
        } => connected,
        _ = shared.until_cut(id) => None,
    };
    let Some(mut server) = connected else {
        ending::reset(&client);
        return;
    };
    // Without these the kernel would add delays of its own; failing to set them breaks nothing.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);

    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let ended = tokio::select! {
        how = shared.until_cut(id) => Err((how, false)),
        ended = async {
            tokio::try_join!(
                pump(shared, id, Way::ToServer, from_client, to_server),
                pump(shared, id, Way::ToClient, from_server, to_client),
            )
        } => ended.map(|_| ()).map_err(|how| (how, true)),
    };
    let Err((how, at_a_place)) = ended else { return };
    if at_a_place {
        ending::until_sent(&client).await;
        ending::until_sent(&server).await;
    }
    if let Some(kept) = ending::end(how, client, server).await {
        ending::keep(shared, id, kept).await;
    }
}

/// One way: until its stream has ended (`Ok`) or the whole connection has to (`Err`).
async fn pump(
    shared: &SharedState,
    id: u64,
    way: Way,
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
) -> Result<(), Cut> {
    let (into, out) = mpsc::channel(IN_FLIGHT);
    let reader = async {
        read(shared, id, way, from, into).await;
        std::future::pending().await
    };
    tokio::select! {
        ended = write(shared, id, way, out, to) => ended,
        never = reader => never,
    }
}

async fn read(shared: &SharedState, id: u64, way: Way, mut from: ReadHalf<'_>, into: mpsc::Sender<Sent>) {
    let mut dice = shape::dice(shared.seed, id, way);
    let mut buffer = BytesMut::new();
    let (mut last_due, mut last_heals) = (Instant::now(), 0);
    loop {
        buffer.reserve(CHUNK);
        let parcel = match from.read_buf(&mut buffer).await {
            Ok(0) => Parcel::EndOfStream,
            Ok(_) => Parcel::Bytes(buffer.split().freeze()),
            Err(_) => Parcel::Broken,
        };
        let last = !matches!(parcel, Parcel::Bytes(_));
        let mut rest = Some(parcel);
        while let Some(parcel) = rest {
            let (parcel, behind) = parcel.split(shared.segment(way));
            rest = behind;
            let (fate, heals) = shared.fate(id, way, &mut dice);
            let now = Instant::now();
            // What was on its way when the wire was healed has arrived.
            let no_sooner = if heals == last_heals { last_due } else { now };
            // A delay that has been taken back lets nothing overtake what is on its way.
            (last_due, last_heals) = (no_sooner.max(shape::after(now, fate.later)), heals);
            if into.send(Sent { due: last_due, heals, parcel }).await.is_err() {
                return;
            }
        }
        if last {
            return;
        }
    }
}

async fn write(
    shared: &SharedState,
    id: u64,
    way: Way,
    mut out: mpsc::Receiver<Sent>,
    mut to: WriteHalf<'_>,
) -> Result<(), Cut> {
    let mut waiting = BytesMut::new();
    let mut flow = Flow::default();
    while let Some(Sent { due, heals, parcel }) = out.recv().await {
        shared.until_due(due, heals).await;
        match parcel {
            Parcel::Bytes(bytes) if waiting.is_empty() => {
                let rest = pass(shared, id, way, bytes, &mut flow, &mut to).await?;
                waiting.extend_from_slice(&rest);
            }
            Parcel::Bytes(bytes) => {
                waiting.extend_from_slice(&bytes);
                let rest = pass(shared, id, way, waiting.split().freeze(), &mut flow, &mut to).await?;
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
    shared: &SharedState,
    id: u64,
    way: Way,
    mut bytes: Bytes,
    flow: &mut Flow,
    to: &mut WriteHalf<'_>,
) -> Result<Bytes, Cut> {
    while bytes.has_remaining() {
        let shape = shared.until_room(id, way, flow).await;
        let step = shared.step(id, way, &bytes, shape.room());
        let part = bytes.split_to(step.pass.min(bytes.len()));
        flow.passed(&shape, part.len(), Instant::now());
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
