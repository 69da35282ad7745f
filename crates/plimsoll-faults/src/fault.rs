//! What shall break, and where.
//!
//! A fault is a plain value. Every connection meets it by its own count: "after message 3" cuts each connection
//! after its own third message. A position that a connection had already passed when the fault was set never
//! strikes there; nothing is cut by surprise.

use std::time::Duration;

/// Which way the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub enum Cut {
    /// A reset (RST), as from a crashed host or a firewall: both ends get an error.
    #[default]
    Reset,
    /// An orderly close (FIN), as from a process that exits: both ends read the end of the stream.
    Close,
}

/// The moment at which [`Fault::OnMessage`] cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Later by `by`, one way or both.
    pub fn delay(direction: Direction, by: Duration) -> Self {
        Fault::Delay { direction, by }
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
}
