//! Cuts a byte stream into PostgreSQL messages, in whatever pieces it arrives.
//!
//! Both directions use the same framing: a type byte, then a length that counts itself. Only the first message of a
//! client has no type byte. A body that arrives in one piece is looked at where it lies; of one that arrives in several
//! pieces the beginning is stored.

use crate::driver_fault::TooLong;

/// How much of a body is stored when it arrives in pieces.
pub(crate) const MOST_STORED: usize = 16 * 1024;

/// One message.
pub(crate) struct Frame<'a> {
    /// The type byte; zero for the first message of a client.
    pub kind: u8,
    /// The body, or its beginning.
    pub body: &'a [u8],
    /// Whether `body` is the whole of it.
    pub whole: bool,
}

/// Reads frames as they arrive. Between two messages, which is nearly always, only the flag is looked at.
pub(crate) struct Frames {
    /// Whether the next byte begins a message that has a type byte.
    is_between: bool,
    /// A body that is longer ends the reading.
    longest: usize,
    piece: Box<Piece>,
}

/// A message that arrives in pieces, the first message of a client, or a stream that makes no sense any more.
struct Piece {
    header: [u8; 5],
    have: usize,
    untyped_first: bool,
    kind: u8,
    left: usize,
    kept: Vec<u8>,
    length: usize,
    broken: bool,
    too_long: Option<TooLong>,
}

impl Frames {
    /// For what a client sends: its first message has no type byte.
    pub(crate) fn of_client() -> Self {
        Frames::new(true, usize::MAX)
    }

    /// For what a server sends, whose bodies have at most so many bytes.
    pub(crate) fn of_server(longest: usize) -> Self {
        Frames::new(false, longest)
    }

    fn new(untyped_first: bool, longest: usize) -> Self {
        let piece = Piece {
            header: [0; 5],
            have: 0,
            untyped_first,
            kind: 0,
            left: 0,
            kept: Vec::new(),
            length: 0,
            broken: false,
            too_long: None,
        };
        Frames { is_between: !untyped_first, longest, piece: Box::new(piece) }
    }

    /// Whether the stream stopped making sense. From then on nothing is known of it.
    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        !self.is_between && self.piece.broken
    }

    /// The message that was too long, if that is why the stream is broken. Given once.
    #[inline]
    pub(crate) fn too_long(&mut self) -> Option<TooLong> {
        if self.is_between { None } else { self.piece.too_long.take() }
    }

    /// How many bytes of the present message are still to come.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        if self.is_between { 0 } else { self.piece.left }
    }

    /// Whether a message has begun and has not ended.
    #[inline]
    pub(crate) fn is_midway(&self) -> bool {
        !self.is_between && self.piece.have > 0
    }

    /// Takes the next whole message off the bytes; none once they are used up.
    #[inline]
    pub(crate) fn take<'f, 'b: 'f>(&'f mut self, bytes: &mut &'b [u8]) -> Option<Frame<'f>> {
        if bytes.is_empty() {
            return None;
        }
        // Nearly always a message arrives in one piece.
        if self.is_between
            && let Some((&[kind, a, b, c, d], after)) = bytes.split_first_chunk::<5>()
            && let Some(length) = body_length([a, b, c, d])
            && length <= self.longest
            && let Some((body, rest)) = after.split_at_checked(length)
        {
            *bytes = rest;
            return Some(Frame { kind, body, whole: true });
        }
        self.take_pieces(bytes)
    }

    /// The same for a message that arrives in pieces. It is kept apart so that the usual path is short.
    #[cold]
    fn take_pieces<'f, 'b: 'f>(&'f mut self, bytes: &mut &'b [u8]) -> Option<Frame<'f>> {
        let body = self.piece.take(bytes, self.longest);
        self.is_between = self.piece.is_over();
        let Piece { kind, ref kept, length, .. } = *self.piece;
        match body? {
            Body::Here(body) => Some(Frame { kind, body, whole: true }),
            Body::Kept => Some(Frame { kind, body: kept, whole: kept.len() == length }),
        }
    }
}

/// The length of a body, from the length field before it, which counts itself; none if the field makes no sense.
#[inline]
fn body_length(length: [u8; 4]) -> Option<usize> {
    usize::try_from(i32::from_be_bytes(length)).ok()?.checked_sub(4)
}

/// Where the body of a message lies.
enum Body<'b> {
    /// In the bytes that have just arrived.
    Here(&'b [u8]),
    /// In the piece, since it arrived in several.
    Kept,
}

impl Piece {
    /// Whether the next byte begins a message that has a type byte.
    fn is_over(&self) -> bool {
        self.have == 0 && !self.untyped_first && !self.broken
    }

    /// Takes the bytes up to the end of the message, or all of them; none unless the message ends in them.
    fn take<'b>(&mut self, bytes: &mut &'b [u8], longest: usize) -> Option<Body<'b>> {
        let header_length = if self.untyped_first { 4 } else { 5 };
        if self.have < header_length {
            *bytes = self.read_header(bytes, header_length, longest);
            if self.have < header_length {
                return None;
            }
        }
        if self.broken {
            *bytes = &[];
            return None;
        }
        if self.left == self.length
            && let Some((body, rest)) = bytes.split_at_checked(self.left)
        {
            *bytes = rest;
            self.finish();
            return Some(Body::Here(body));
        }
        *bytes = self.read_body(bytes);
        (self.left == 0).then(|| {
            self.finish();
            Body::Kept
        })
    }

    fn read_header<'b>(&mut self, bytes: &'b [u8], header_length: usize, longest: usize) -> &'b [u8] {
        let take = (header_length - self.have).min(bytes.len());
        let (now, rest) = bytes.split_at(take);
        if let Some(place) = self.header.get_mut(self.have..self.have + take) {
            place.copy_from_slice(now);
        }
        self.have += take;
        if self.have == header_length {
            let [a, b, c, d, e] = self.header;
            let (kind, length) = if self.untyped_first { (0, [a, b, c, d]) } else { (a, [b, c, d, e]) };
            match body_length(length) {
                Some(bytes) if bytes > longest => {
                    self.broken = true;
                    self.too_long = Some(TooLong { kind, bytes, most: longest });
                }
                Some(left) => {
                    self.kind = kind;
                    self.left = left;
                    self.length = left;
                    self.kept.clear();
                }
                None => self.broken = true,
            }
        }
        rest
    }

    fn read_body<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, rest) = bytes.split_at(self.left.min(bytes.len()));
        let room = MOST_STORED.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(now.get(..room).unwrap_or(now));
        self.left -= now.len();
        rest
    }

    fn finish(&mut self) {
        self.have = 0;
        self.untyped_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(frames: &mut Frames, pieces: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
        let mut state = Vec::new();
        for piece in pieces {
            let mut bytes = *piece;
            while let Some(frame) = frames.take(&mut bytes) {
                state.push((frame.kind, frame.body.to_vec()));
            }
            assert!(bytes.is_empty());
        }
        state
    }

    fn encode(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, body) in messages {
            bytes.push(*kind);
            bytes.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
            bytes.extend_from_slice(body);
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_messages(
            messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            cuts in prop::collection::vec(1usize..9, 0..200),
        ) {
            let bytes = encode(&messages);
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(read(&mut Frames::of_server(usize::MAX), &pieces), messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&mut Frames::of_server(64), &[&bytes]);
            let _ = read(&mut Frames::of_client(), &[&bytes]);
        }
    }

    #[test]
    fn the_first_message_of_a_client_has_no_type() {
        let state = read(&mut Frames::of_client(), &[&[0, 0, 0, 8, 0, 3, 0, 0], b"S\0\0\0\x04"]);
        assert_eq!(state, vec![(0, vec![0, 3, 0, 0]), (b'S', vec![])]);
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_reading() {
        let mut frames = Frames::of_server(usize::MAX);
        assert!(read(&mut frames, &[b"Z\0\0\0\x01xxxxxx"]).is_empty());
        assert!(frames.is_broken());
        assert!(frames.too_long().is_none());
    }

    #[test]
    fn a_body_that_is_too_long_ends_the_reading_before_it_has_come() {
        let row = |bytes: usize| encode(&[(b'D', vec![7; bytes])]);
        for cut in [1, 4, 5, 6, 9] {
            let mut frames = Frames::of_server(9);
            let (allowed, longer) = (row(9), row(10));
            let (head, rest) = longer.split_at(cut);
            // Whole in one piece, or in two.
            assert_eq!(read(&mut frames, &[&allowed, &allowed[..cut], &allowed[cut..]]).len(), 2);
            assert!(frames.too_long().is_none());
            assert!(read(&mut frames, &[head, rest]).is_empty());
            let TooLong { kind, bytes, most } = frames.too_long().unwrap();
            assert_eq!((kind, bytes, most), (b'D', 10, 9));
            assert!(frames.is_broken() && read(&mut frames, &[&allowed]).is_empty());
        }
    }
}
