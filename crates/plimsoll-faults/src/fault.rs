//! What shall break, and where.
//!
//! A fault is a plain value. Every connection meets it by its own count: "after message 3" cuts each connection
//! after its own third message. A position that a connection had already passed when the fault was set never
//! strikes there; nothing is cut by surprise.

use std::time::Duration;

use crate::report::Passed;

/// The longest segment of [`Fault::Loss`]: what fits into one Ethernet frame.
pub const SEGMENT: usize = 1448;

/// Which way the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: answers.
    ToClient,
    /// Either way; each way counts for itself.
    Both,
}

impl Direction {
    pub(crate) fn covers(self, way: Way) -> bool {
        matches!(
            (self, way),
            (Direction::Both, _)
                | (Direction::ToServer, Way::ToServer)
                | (Direction::ToClient, Way::ToClient)
        )
    }
}

/// One way of one connection: a [`Direction`] that cannot be both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// A place in the stream of bytes. Messages and bytes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum At {
    /// Message n does not begin: none of its bytes passes.
    BeforeMessage(u64),
    /// Message n passes whole, and nothing behind it.
    AfterMessage(u64),
    /// Exactly n bytes pass. With 0, the next byte that comes finds the way closed.
    AfterBytes(u64),
}

/// Where counting begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Since {
    /// With the connection's first byte: start-up and authentication count.
    Connected,
    /// When the server first said that it is ready for queries. What comes before varies with the server's
    /// version and its authentication; what comes after is the program's own, so this is the stable count.
    #[default]
    Ready,
    /// When the fault was set; for a connection made later, with its first byte.
    Set,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// A reset (RST), as from a crashed host or a firewall: both ends get an error.
    #[default]
    Reset,
    /// An orderly close (FIN), as from a process that exits: both ends read the end of the stream.
    Close,
    /// A reset for the client; the server reads the end of the stream.
    ResetClient,
    /// A reset for the server; the client reads the end of the stream.
    ResetServer,
    /// Half open: the client's end is gone (its own socket is reset), and the server is not told. Its side stays open
    /// and silent, and what it sends is lost, until it closes, or until [`Proxy::heal`](crate::Proxy::heal) lets the
    /// truth through, which is a reset.
    ClientGone,
    /// Half open the other way: the server's end is gone (its own socket is reset), and the client is not told.
    ServerGone,
}

impl Cut {
    /// Whether one end is not told.
    pub(crate) fn is_half(self) -> bool {
        matches!(self, Cut::ClientGone | Cut::ServerGone)
    }
}

/// The moment at which [`Fault::OnMessage`] cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Before any of the message's bytes passes: the receiver never saw it.
    Before,
    /// As soon as the message has passed: the receiver may or may not have acted on it.
    After,
    /// The message passes, its answer comes back, is thrown away, and then the connection is cut: the server has
    /// acted for certain and the client cannot know. Answers to earlier messages are still delivered. For messages
    /// to the client, which have no answer, the same as [`When::After`].
    AnswerDropped,
}

/// Something that shall go wrong on the wire.
///
/// Faults that last (delay, loss, throttle, slice, blackhole) hold for every connection as long as they are armed, and
/// combine with one another and with any cut. However they combine, the order of the bytes is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Every chunk of bytes arrives later by this much. A round trip through [`Direction::Both`] takes twice as
    /// long. Delays add up.
    Delay {
        /// Which way.
        direction: Direction,
        /// One way's latency.
        by: Duration,
        /// The latency is drawn for each chunk, evenly from `by - spread` to `by + spread`, and is never below zero.
        /// A chunk does not overtake the one before it.
        spread: Duration,
    },
    /// A share of the segments is lost and sent again: each arrives later by `resent_after`, and all that is behind
    /// it has to wait, as on a TCP link, which keeps the order. A segment is what was read at one time, and at most
    /// [`SEGMENT`] bytes of it. Losses of several faults add up.
    Loss {
        /// Which way.
        direction: Direction,
        /// So many of a million segments: 10 000 is 1 %.
        per_million: u32,
        /// What the sender's kernel would take to notice and to send again; Linux takes 200 ms or more.
        resent_after: Duration,
    },
    /// Each connection carries at most so many bytes in a second. Of several throttles the narrowest holds.
    Throttle {
        /// Which way; each way has the rate for itself.
        direction: Direction,
        /// The rate; 0 counts as 1, since for nothing at all there is [`Fault::Blackhole`].
        bytes_per_second: u64,
    },
    /// Bytes are handed on in small pieces. Of several the smallest piece and the longest pause hold.
    Slice {
        /// Which way.
        direction: Direction,
        /// The longest piece; 0 counts as 1.
        bytes: usize,
        /// How long to wait after each piece. Without a pause a slow reader may find several pieces at once.
        pause: Duration,
    },
    /// Nothing passes and nothing is closed. A new connection is accepted and gets nowhere (whichever way is black): the
    /// server does not hear of it. When the fault is disarmed everything arrives, late: bytes, ends, new connections.
    /// A TCP link would have sent them again until then.
    ///
    /// It is the proxy's kernel that acknowledges what is sent, so a sender's own kernel notices nothing, and
    /// neither keepalives nor `tcp_user_timeout` strike; up to a few MiB can be written before the sender has to wait.
    Blackhole {
        /// Which way.
        direction: Direction,
    },
    /// The connection is cut at a place.
    CutAt {
        /// Whose bytes are counted.
        direction: Direction,
        /// The place.
        at: At,
        /// Where counting begins.
        since: Since,
        /// How the connection ends.
        how: Cut,
    },
    /// This way falls silent at a place: nothing behind it passes, no error and no end either, until
    /// [`Proxy::resume`](crate::Proxy::resume). The other way goes on.
    StallAt {
        /// Which way.
        direction: Direction,
        /// The place.
        at: At,
        /// Where counting begins.
        since: Since,
    },
    /// The connection is cut around a message, known by its type and its contents. A message longer than 1 MiB, or
    /// already under way when the fault is set, is not looked at; neither is anything inside TLS.
    OnMessage {
        /// Which way the message travels.
        direction: Direction,
        /// Its type byte, such as `b'Q'` for a simple query.
        kind: u8,
        /// Bytes that its body must contain, compared exactly; `None` takes any message of the type.
        containing: Option<Vec<u8>>,
        /// The moment.
        when: When,
        /// How the connection ends.
        how: Cut,
    },
    /// New connections are accepted and closed at once; present ones stay.
    Refuse,
}

impl Fault {
    /// Later by `by`, one way or both; see [`jitter`](Self::jitter).
    pub fn delay(direction: Direction, by: Duration) -> Self {
        Fault::Delay { direction, by, spread: Duration::ZERO }
    }

    /// A share of the segments (0.01 is 1 %) lost, and sent again after this long.
    pub fn loss(direction: Direction, share: f64, resent_after: Duration) -> Self {
        Fault::Loss { direction, per_million: per_million(share), resent_after }
    }

    /// At most so many bytes in a second on each connection.
    pub fn throttle(direction: Direction, bytes_per_second: u64) -> Self {
        Fault::Throttle { direction, bytes_per_second }
    }

    /// In pieces of at most so many bytes; see [`pausing`](Self::pausing).
    pub fn slice(direction: Direction, bytes: usize) -> Self {
        Fault::Slice { direction, bytes, pause: Duration::ZERO }
    }

    /// Nothing passes and nothing is closed, until this is disarmed.
    pub fn blackhole(direction: Direction) -> Self {
        Fault::Blackhole { direction }
    }

    /// A reset at a place, counted since the server was first ready.
    pub fn cut(direction: Direction, at: At) -> Self {
        Fault::CutAt { direction, at, since: Since::default(), how: Cut::default() }
    }

    /// Silence from a place on, counted since the server was first ready.
    pub fn stall(direction: Direction, at: At) -> Self {
        Fault::StallAt { direction, at, since: Since::default() }
    }

    /// A reset around a message of this type whose body contains these bytes (none: any body).
    pub fn on_message(direction: Direction, kind: u8, containing: impl AsRef<[u8]>, when: When) -> Self {
        let wanted = containing.as_ref();
        let containing = (!wanted.is_empty()).then(|| wanted.to_vec());
        Fault::OnMessage { direction, kind, containing, when, how: Cut::default() }
    }

    /// The same fault, counted from another beginning. Faults that count nothing stay as they are.
    #[must_use]
    pub fn since(mut self, from: Since) -> Self {
        if let Fault::CutAt { since, .. } | Fault::StallAt { since, .. } = &mut self {
            *since = from;
        }
        self
    }

    /// The same fault, ending the connection in another way. Faults that cut nothing stay as they are.
    #[must_use]
    pub fn ending(mut self, cut: Cut) -> Self {
        if let Fault::CutAt { how, .. } | Fault::OnMessage { how, .. } = &mut self {
            *how = cut;
        }
        self
    }

    /// The same delay, drawn for each chunk from so much below to so much above. Other faults stay as they are.
    #[must_use]
    pub fn jitter(mut self, above_and_below: Duration) -> Self {
        if let Fault::Delay { spread, .. } = &mut self {
            *spread = above_and_below;
        }
        self
    }

    /// The same slices, with a pause after each. Other faults stay as they are.
    #[must_use]
    pub fn pausing(mut self, after_each: Duration) -> Self {
        if let Fault::Slice { pause, .. } = &mut self {
            *pause = after_each;
        }
        self
    }
}

/// A share as a whole number, which can be compared and printed exactly.
fn per_million(share: f64) -> u32 {
    let million = (share * 1e6).round().clamp(0.0, 1e6);
    // A share that is no number becomes 0.
    million as u32
}

/// A fault as it stands armed.
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
    /// Only the first connection that meets it is struck.
    pub(crate) once: bool,
    /// What each connection had passed when the fault was set: connection, to the server, to the client.
    pub(crate) baseline: Vec<(u64, Passed, Passed)>,
}
