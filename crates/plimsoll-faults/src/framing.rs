//! Where one message ends and the next begins.
//!
//! PostgreSQL's protocol has two framings. At first the client sends messages without a type byte (a length, then a
//! code): the start-up message itself, a cancel request, or a request for encryption, which the server answers with
//! a single byte. From the start-up message on, both sides send a type byte and a length that counts itself.
//!
//! A [`Framer`] follows one direction. It is incremental and keeps a dozen bytes, so it gives the same messages
//! however TCP cuts the stream. It is pure: bytes in, [`Piece`]s out. What it cannot read (TLS, or bytes that are no
//! PostgreSQL at all) it calls opaque from there on, and only the bytes count.

/// The code of a start-up message that asks for TLS.
pub const SSL_REQUEST: u32 = 80_877_103;
/// The code of a start-up message that asks for GSSAPI encryption.
pub const GSSENC_REQUEST: u32 = 80_877_104;
/// The code of a start-up message that cancels another connection's query.
pub const CANCEL_REQUEST: u32 = 80_877_102;

/// PostgreSQL itself takes no longer start-up message.
const LONGEST_STARTUP: u32 = 10_000;
/// Nor a longer message of any other kind: 1 GiB, with room to spare.
const LONGEST_MESSAGE: u32 = 0x4000_0400;
/// The first byte of a TLS handshake, for clients that begin with it at once.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a piece is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A message without a type byte, from the client.
    Startup,
    /// The single byte that answers a request for encryption.
    Answer(u8),
    /// A message with this type byte.
    Typed(u8),
    /// Not readable: TLS, or no PostgreSQL. It neither begins nor ends.
    Opaque,
}

/// The first bytes of an input that belong to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes; never 0.
    pub len: usize,
    /// What they are a part of.
    pub kind: Kind,
    /// Whether the message's first byte is among them.
    pub starts: bool,
    /// Whether the message's last byte is among them.
    pub ends: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Startup,
    Answer,
    Typed,
    Opaque,
}

/// Follows the messages of one direction of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Framer {
    mode: Mode,
    kind: u8,
    /// Header bytes still missing of the message under way (0 between messages).
    header_left: u8,
    /// The header's number bytes, shifted in as they come: length, or length and code of a start-up message.
    number: u64,
    /// Body bytes still missing, once the header is whole.
    body_left: u32,
    within: bool,
}

impl Framer {
    /// For what a client sends: start-up messages first.
    pub fn client() -> Self {
        Self::in_mode(Mode::Startup)
    }

    /// For what a server sends: typed messages from its first byte on, but for answers about encryption.
    pub fn server() -> Self {
        Self::in_mode(Mode::Typed)
    }

    fn in_mode(mode: Mode) -> Self {
        Self { mode, kind: 0, header_left: 0, number: 0, body_left: 0, within: false }
    }

    /// Between two messages, that is, not inside one.
    pub fn between(&self) -> bool {
        !self.within
    }

    /// Whether the stream has become unreadable.
    pub fn opaque(&self) -> bool {
        self.mode == Mode::Opaque
    }

    /// From here on nothing can be read: the stream is encrypted.
    pub fn become_opaque(&mut self) {
        *self = Self::in_mode(Mode::Opaque);
    }

    /// The next byte from the server answers a request for encryption.
    pub fn expect_answer(&mut self) {
        if self.between() && !self.opaque() {
            self.mode = Mode::Answer;
        }
    }

    /// Takes the bytes of `input` that belong to one message; `None` when it is empty.
    pub fn next(&mut self, input: &[u8]) -> Option<Piece> {
        let (&first, _) = input.split_first()?;
        let starts = !self.within;
        if starts {
            self.begin(first);
        }
        match self.mode {
            Mode::Opaque => Some(Piece { len: input.len(), kind: Kind::Opaque, starts: false, ends: false }),
            Mode::Answer => {
                self.mode = Mode::Typed;
                Some(Piece { len: 1, kind: Kind::Answer(first), starts: true, ends: true })
            }
            Mode::Startup | Mode::Typed => Some(self.message(input, starts)),
        }
    }

    /// Settles the framing of the message that begins with this byte.
    fn begin(&mut self, first: u8) {
        match self.mode {
            Mode::Startup if first == TLS_HANDSHAKE => self.become_opaque(),
            // A server that knows no encryption answers with an error message instead of the byte.
            Mode::Answer if !matches!(first, b'S' | b'N' | b'G') => self.mode = Mode::Typed,
            _ => {}
        }
        self.kind = first;
        self.header_left = match self.mode {
            Mode::Startup => 8,
            Mode::Typed => 5,
            Mode::Answer | Mode::Opaque => return,
        };
        self.number = 0;
        self.body_left = 0;
        self.within = true;
    }

    fn message(&mut self, input: &[u8], starts: bool) -> Piece {
        let mut len = 0;
        for &byte in input.iter().take(usize::from(self.header_left)) {
            len += 1;
            self.header_left -= 1;
            // The type byte (first of five) is no part of the number.
            if !(self.mode == Mode::Typed && self.header_left == 4) {
                self.number = (self.number << 8) | u64::from(byte);
            }
            if self.header_left == 0 {
                match self.body_length() {
                    Some(left) => self.body_left = left,
                    None => {
                        self.become_opaque();
                        return Piece { len: input.len(), kind: Kind::Opaque, starts: false, ends: false };
                    }
                }
            }
        }
        let kind = if self.mode == Mode::Startup { Kind::Startup } else { Kind::Typed(self.kind) };
        if self.header_left > 0 {
            return Piece { len, kind, starts, ends: false };
        }
        let body = input.len().saturating_sub(len).min(usize::try_from(self.body_left).unwrap_or(usize::MAX));
        self.body_left = self.body_left.saturating_sub(u32::try_from(body).unwrap_or(u32::MAX));
        let ends = self.body_left == 0;
        if ends {
            self.end();
        }
        Piece { len: len + body, kind, starts, ends }
    }

    /// What the whole header says is still to come; `None` when no PostgreSQL peer would say so.
    fn body_length(&self) -> Option<u32> {
        if self.mode == Mode::Startup {
            let length = u32::try_from(self.number >> 32).ok()?;
            length.checked_sub(8).filter(|_| length <= LONGEST_STARTUP)
        } else {
            let length = u32::try_from(self.number).ok()?;
            length.checked_sub(4).filter(|_| length <= LONGEST_MESSAGE)
        }
    }

    fn end(&mut self) {
        self.within = false;
        if self.mode == Mode::Startup && !self.startup_repeats() {
            self.mode = Mode::Typed;
        }
    }

    /// Whether another start-up message may follow the one that has just ended.
    fn startup_repeats(&self) -> bool {
        self.asked_for_encryption() || self.startup_code() == Some(CANCEL_REQUEST)
    }

    /// Whether the start-up message that has just ended asked for encryption, so that one byte will answer it.
    pub fn asked_for_encryption(&self) -> bool {
        matches!(self.startup_code(), Some(SSL_REQUEST | GSSENC_REQUEST))
    }

    fn startup_code(&self) -> Option<u32> {
        (self.mode == Mode::Startup && !self.within)
            .then(|| u32::try_from(self.number & 0xffff_ffff).ok())
            .flatten()
    }
}
